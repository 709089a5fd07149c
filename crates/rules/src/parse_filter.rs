//! Step 1, filters: the tree of `and`, `or`, `not` and conditions.

use suanpan_event::AttributeType;

use crate::document::{Fields, Json, Node};
use crate::error::{ErrorCode, Report};
use crate::{Filter, Operand, Operator, RuleLimits, Scalar};

const FILTER_FIELDS: &[&str] = &["and", "or", "not", "attribute", "type", "is", "value"];
const TYPES: &[(&str, AttributeType)] = &[
    ("string", AttributeType::String),
    ("number", AttributeType::Number),
    ("boolean", AttributeType::Boolean),
    ("datetime", AttributeType::Datetime),
    ("list", AttributeType::StringList),
];

/// What is left of the limits that all filters of a rule share.
pub(crate) struct FilterBudget {
    limits: RuleLimits,
    nodes: usize,
}

impl FilterBudget {
    pub(crate) fn new(limits: &RuleLimits) -> Self {
        Self { limits: limits.clone(), nodes: 0 }
    }
}

/// The type that a `type` field states.
pub(crate) fn stated_type(node: &Node<'_>, report: &mut Report) -> Option<AttributeType> {
    node.word(TYPES, report)
}

/// Reads a filter at this depth, the outermost being 1.
pub(crate) fn filter(
    node: &Node<'_>,
    budget: &mut FilterBudget,
    depth: usize,
    report: &mut Report,
) -> Option<Filter> {
    if depth > budget.limits.filter_depth_max {
        let limit = ("filter_depth_max", budget.limits.filter_depth_max);
        report.over(&node.path, "the filter is nested deeper than allowed", limit);
        return None;
    }
    budget.nodes += 1;
    let max = budget.limits.filter_nodes_max;
    if budget.nodes > max {
        if budget.nodes == max + 1 {
            report.over(&node.path, "too many conditions, and, or, not", ("filter_nodes_max", max));
        }
        return None;
    }
    let fields = node.fields(FILTER_FIELDS, report)?;
    let forms = ["and", "or", "not", "attribute"].into_iter().filter(|name| fields.has(name));
    match forms.collect::<Vec<_>>()[..] {
        ["and"] => Some(Filter::And { and: filters(&fields, "and", budget, depth, report)? }),
        ["or"] => Some(Filter::Or { or: filters(&fields, "or", budget, depth, report)? }),
        ["not"] => {
            let inner = fields.get("not")?;
            only(&fields, "not", report)?;
            Some(Filter::Not { not: Box::new(filter(&inner, budget, depth + 1, report)?) })
        }
        ["attribute"] => condition(&fields, &budget.limits, report),
        ref none_or_several => {
            let message = "expected exactly one of \"and\", \"or\", \"not\", or an \"attribute\" with \"is\"";
            let code =
                if none_or_several.is_empty() { ErrorCode::FieldMissing } else { ErrorCode::FieldNotAllowed };
            report.add(code, &node.path, message);
            None
        }
    }
}

/// `and`, `or`, `not` stand alone.
fn only(fields: &Fields<'_>, name: &str, report: &mut Report) -> Option<()> {
    for other in ["type", "is", "value"] {
        if fields.has(other) {
            let message = format!("{other:?} belongs to a condition, not beside {name:?}");
            report.add(ErrorCode::FieldNotAllowed, fields.path_of(other), message);
            return None;
        }
    }
    Some(())
}

fn filters(
    fields: &Fields<'_>,
    name: &str,
    budget: &mut FilterBudget,
    depth: usize,
    report: &mut Report,
) -> Option<Vec<Filter>> {
    only(fields, name, report)?;
    let node = fields.get(name)?;
    let items = node.items("a list of filters", report)?;
    if items.is_empty() {
        report.add(ErrorCode::ValueInvalid, &node.path, "expected at least one filter");
        return None;
    }
    let read = items.iter().map(|item| filter(item, budget, depth + 1, report)).collect::<Vec<_>>();
    read.into_iter().collect()
}

fn condition(fields: &Fields<'_>, limits: &RuleLimits, report: &mut Report) -> Option<Filter> {
    let attribute = fields
        .get("attribute")
        .and_then(|node| node.text("an attribute's name", ("name_chars_max", limits.name_chars_max), report));
    let kind = fields.get("type").map(|node| stated_type(&node, report));
    let is = fields
        .need("is", "how to compare, such as \"=\" or \"is set\"", report)
        .and_then(|node| node.word(Operator::WORDS, report))?;
    let value = operand(fields, is, limits, report)?;
    Some(Filter::Condition { attribute: attribute?, kind: kind.unwrap_or_default(), is, value })
}

/// As many values as the operator takes.
fn operand(
    fields: &Fields<'_>,
    is: Operator,
    limits: &RuleLimits,
    report: &mut Report,
) -> Option<Option<Operand>> {
    match is {
        Operator::Set | Operator::NotSet => {
            if fields.has("value") {
                let message = format!("{:?} takes no value", is.word());
                report.add(ErrorCode::FieldNotAllowed, fields.path_of("value"), message);
                return None;
            }
            Some(None)
        }
        Operator::In | Operator::NotIn => {
            let node = fields.need("value", "a list of values", report)?;
            let values = scalars(&node, "a list of values", report)?;
            if values.is_empty() {
                report.add(ErrorCode::ValueInvalid, node.path, "expected at least one value");
                return None;
            }
            if values.len() > limits.in_values_max {
                let found = format!("{} values", values.len());
                report.over(node.path, found, ("in_values_max", limits.in_values_max));
                return None;
            }
            Some(Some(Operand::Many(values)))
        }
        Operator::Between => {
            let node = fields.need("value", "a list of two values", report)?;
            let values = scalars(&node, "a list of two values", report)?;
            if values.len() != 2 {
                let message = format!("expected two values, found {}", values.len());
                report.add(ErrorCode::ValueInvalid, node.path, message);
                return None;
            }
            Some(Some(Operand::Many(values)))
        }
        _ => {
            let node = fields.need("value", "what to compare with", report)?;
            Some(Some(Operand::One(scalar(&node, report)?)))
        }
    }
}

fn scalars(node: &Node<'_>, expected: &str, report: &mut Report) -> Option<Vec<Scalar>> {
    let items = node.items(expected, report)?;
    let read = items.iter().map(|item| scalar(item, report)).collect::<Vec<_>>();
    read.into_iter().collect()
}

fn scalar(node: &Node<'_>, report: &mut Report) -> Option<Scalar> {
    match node.json {
        Json::Text(text) => Some(Scalar::Text(text.clone())),
        Json::Bool(value) => Some(Scalar::Boolean(*value)),
        Json::Number(number) => number.as_f64().map(Scalar::Number),
        _ => node.mismatch("a text, a number or a boolean", report),
    }
}
