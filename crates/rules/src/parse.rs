//! Step 1: text → [`Rule`]. Knows the form of a rule, not the app it is for.

use crate::document::{Fields, Json, Node};
use crate::error::{ErrorCode, Report, RuleErrors};
use crate::parse_filter::{FilterBudget, filter, stated_type};
use crate::parse_range::range;
use crate::rule::{AttributeRef, Comparison, Interval, Kind, Measure, MeasureKind, Rule, TOP_DEFAULT};
use crate::{Filter, RuleLimits};

const VERSION: u32 = 1;
const RULE_FIELDS: &[&str] =
    &["version", "kind", "title", "measures", "filter", "breakdown", "top", "interval", "range", "compare"];
const MEASURE_FIELDS: &[&str] = &["name", "measure", "attribute", "type", "event", "filter"];

/// Reads a rule within the default limits.
///
/// # Errors
/// Everything that is wrong with the rule's form, each with its path.
pub fn parse(json: &str) -> Result<Rule, RuleErrors> {
    parse_within(json, &RuleLimits::default())
}

/// Reads a rule within these limits.
///
/// # Errors
/// Everything that is wrong with the rule's form, each with its path.
pub fn parse_within(json: &str, limits: &RuleLimits) -> Result<Rule, RuleErrors> {
    let mut report = Report::new(limits.errors_max);
    let rule = read(json, limits, &mut report);
    report.finish(rule)
}

fn read(json: &str, limits: &RuleLimits, report: &mut Report) -> Option<Rule> {
    if json.len() > limits.body_bytes_max {
        report.over("", format!("{} bytes", json.len()), ("body_bytes_max", limits.body_bytes_max));
        return None;
    }
    match serde_json::from_str::<Json>(json) {
        Ok(json) => rule(&Node::root(&json), limits, report),
        Err(error) => {
            report.add(ErrorCode::JsonInvalid, "", format!("this is no JSON: {error}"));
            None
        }
    }
}

fn rule(node: &Node<'_>, limits: &RuleLimits, report: &mut Report) -> Option<Rule> {
    let fields = node.fields(RULE_FIELDS, report)?;
    let mut budget = FilterBudget::new(limits);
    let version = version(&fields, report);
    let kind =
        fields.need("kind", "\"trend\"", report).and_then(|n| n.word(&[("trend", Kind::Trend)], report));
    let title = match fields.get("title") {
        Some(node) => node.text("a title", ("title_chars_max", limits.title_chars_max), report),
        None => None,
    };
    let measures = measures(&fields, &mut budget, limits, report);
    let filter = optional_filter(&fields, &mut budget, report);
    let breakdown = breakdown(&fields, limits, report);
    let top = top(&fields, limits, report);
    let interval = fields.get("interval").and_then(|n| n.word(Interval::WORDS, report));
    let range = fields
        .need("range", "for example {\"last\": 30, \"unit\": \"day\"}", report)
        .and_then(|n| range(&n, report));
    let compare = fields.get("compare").and_then(|n| n.word(Comparison::WORDS, report));
    let breakdown = breakdown?;
    let top = if breakdown.is_empty() { None } else { top.or(Some(TOP_DEFAULT)) };
    Some(Rule {
        version: version?,
        kind: kind?,
        title,
        measures: measures?,
        filter,
        breakdown,
        top,
        interval,
        range: range?,
        compare,
    })
}

fn version(fields: &Fields<'_>, report: &mut Report) -> Option<u32> {
    let node = fields.need("version", "1, the version of the rule's form", report)?;
    let version = node.count(report)?;
    if version != VERSION {
        let message = format!("version {version} is not known here; the newest known is {VERSION}");
        report.add(ErrorCode::VersionUnknown, node.path, message);
        return None;
    }
    Some(version)
}

fn optional_filter(fields: &Fields<'_>, budget: &mut FilterBudget, report: &mut Report) -> Option<Filter> {
    fields.get("filter").and_then(|node| filter(&node, budget, 1, report))
}

fn measures(
    fields: &Fields<'_>,
    budget: &mut FilterBudget,
    limits: &RuleLimits,
    report: &mut Report,
) -> Option<Vec<Measure>> {
    let node = fields.need("measures", "a list of at least one measure", report)?;
    let items = node.items("a list of measures", report)?;
    if items.is_empty() {
        report.add(ErrorCode::ValueInvalid, &node.path, "expected at least one measure");
    }
    if items.len() > limits.measures_max {
        let found = format!("{} measures", items.len());
        report.over(&node.path, found, ("measures_max", limits.measures_max));
        return None;
    }
    let mut measures: Vec<Measure> = Vec::with_capacity(items.len());
    for item in &items {
        let Some(measure) = measure(item, budget, limits, report) else { continue };
        if measures.iter().any(|other| other.name == measure.name) {
            let message = format!("another measure is called {:?} too; give one a \"name\"", measure.name);
            report.add(ErrorCode::Duplicate, format!("{}.name", item.path), message);
        }
        measures.push(measure);
    }
    Some(measures)
}

fn measure(
    node: &Node<'_>,
    budget: &mut FilterBudget,
    limits: &RuleLimits,
    report: &mut Report,
) -> Option<Measure> {
    let name_limit = ("name_chars_max", limits.name_chars_max);
    let fields = node.fields(MEASURE_FIELDS, report)?;
    let name = fields.get("name").map(|n| n.text("a name", name_limit, report));
    let measure = fields
        .need("measure", "what to compute, such as \"events\" or \"people\"", report)
        .and_then(|n| n.word(MeasureKind::WORDS, report));
    let attribute = fields.get("attribute").map(|n| n.text("an attribute's name", name_limit, report));
    let kind = fields.get("type").map(|n| stated_type(&n, report));
    let events = match fields.get("event") {
        Some(node) => events(&node, limits, report),
        None => Some(Vec::new()),
    };
    let filter = optional_filter(&fields, budget, report);
    let measure = measure?;
    attribute_fits(measure, &fields, report)?;
    let (attribute, kind, events) = (attribute.unwrap_or_default(), kind.unwrap_or_default(), events?);
    let name = match name {
        Some(name) => name?,
        None => default_name(measure, attribute.as_deref(), &events),
    };
    Some(Measure { name, measure, attribute, kind, events, filter })
}

/// A measure of an attribute needs one; the others can't have one.
fn attribute_fits(measure: MeasureKind, fields: &Fields<'_>, report: &mut Report) -> Option<()> {
    let wanted = !matches!(measure, MeasureKind::Events | MeasureKind::People | MeasureKind::EventsPerPerson);
    if wanted {
        return fields.need("attribute", &format!("{} of what?", measure.word()), report).map(|_| ());
    }
    for name in ["attribute", "type"] {
        if fields.has(name) {
            let message = format!("the measure {:?} is not of an attribute", measure.word());
            report.add(ErrorCode::FieldNotAllowed, fields.path_of(name), message);
            return None;
        }
    }
    Some(())
}

fn default_name(measure: MeasureKind, attribute: Option<&str>, events: &[String]) -> String {
    let mut name = measure.word().to_owned();
    if let Some(attribute) = attribute {
        name = format!("{name}({attribute})");
    }
    match events {
        [] => name,
        events => format!("{name} of {}", events.join(", ")),
    }
}

fn events(node: &Node<'_>, limits: &RuleLimits, report: &mut Report) -> Option<Vec<String>> {
    let items = node.one_or_many("an event's name or a list of them", report)?;
    if items.is_empty() {
        report.add(ErrorCode::ValueInvalid, &node.path, "expected at least one event; leave it out for any");
        return None;
    }
    if items.len() > limits.events_max {
        report.over(&node.path, format!("{} events", items.len()), ("events_max", limits.events_max));
        return None;
    }
    let limit = ("name_chars_max", limits.name_chars_max);
    let mut events = items
        .iter()
        .map(|item| item.text("an event's name", limit, report))
        .collect::<Vec<_>>()
        .into_iter()
        .collect::<Option<Vec<_>>>()?;
    events.sort();
    events.dedup();
    Some(events)
}

fn breakdown(fields: &Fields<'_>, limits: &RuleLimits, report: &mut Report) -> Option<Vec<AttributeRef>> {
    let Some(node) = fields.get("breakdown") else { return Some(Vec::new()) };
    let items = node.one_or_many("an attribute or a list of them", report)?;
    if items.len() > limits.breakdown_max {
        let found = format!("{} attributes", items.len());
        report.over(&node.path, found, ("breakdown_max", limits.breakdown_max));
        return None;
    }
    let mut attributes: Vec<AttributeRef> = Vec::with_capacity(items.len());
    for item in &items {
        let Some(attribute) = breakdown_attribute(item, limits, report) else { continue };
        if attributes.iter().any(|other| other.name == attribute.name) {
            let message = format!("{:?} is in the breakdown already", attribute.name);
            report.add(ErrorCode::Duplicate, &item.path, message);
        }
        attributes.push(attribute);
    }
    Some(attributes)
}

fn breakdown_attribute(node: &Node<'_>, limits: &RuleLimits, report: &mut Report) -> Option<AttributeRef> {
    let limit = ("name_chars_max", limits.name_chars_max);
    if matches!(node.json, Json::Text(_)) {
        return Some(AttributeRef { name: node.text("an attribute's name", limit, report)?, kind: None });
    }
    if !matches!(node.json, Json::Object(_)) {
        return node.mismatch("an attribute's name or {\"attribute\": …, \"type\": …}", report);
    }
    let fields = node.fields(&["attribute", "type"], report)?;
    let name = fields.need("attribute", "an attribute's name", report)?;
    let kind = fields.get("type").map(|n| stated_type(&n, report));
    Some(AttributeRef {
        name: name.text("an attribute's name", limit, report)?,
        kind: kind.unwrap_or_default(),
    })
}

fn top(fields: &Fields<'_>, limits: &RuleLimits, report: &mut Report) -> Option<u32> {
    let node = fields.get("top")?;
    if !fields.has("breakdown") {
        report.add(ErrorCode::FieldNotAllowed, node.path, "\"top\" has no meaning without a breakdown");
        return None;
    }
    let top = node.count(report)?;
    if top as usize > limits.top_max {
        report.over(&node.path, format!("{top} groups"), ("top_max", limits.top_max));
        return None;
    }
    Some(top)
}
