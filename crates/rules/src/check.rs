//! Step 2: the rule against the app: attributes, types, values, ranges. Gives the typed plan.

use suanpan_event::{Attribute, AttributeType, BUILT_INS, built_in};

use crate::bucket::{Bucket, buckets};
use crate::condition::Typing;
use crate::error::{ErrorCode, Report, RuleErrors};
use crate::nearest::nearest;
use crate::plan::{Condition, Group, MeasureNode, Plan, Read, ReadId, Source};
use crate::{Context, Filter, Interval, Measure, MeasureKind, ResolvedRange, Rule};

/// Checks a rule and binds it to an app.
pub(crate) fn check(rule: &Rule, context: &Context<'_>) -> Result<Plan, RuleErrors> {
    let mut checker = Checker { context, report: Report::new(context.limits.errors_max), reads: Vec::new() };
    let plan = checker.plan(rule);
    checker.report.finish(plan)
}

struct Checker<'a> {
    context: &'a Context<'a>,
    report: Report,
    reads: Vec<Read>,
}

impl Checker<'_> {
    fn plan(&mut self, rule: &Rule) -> Option<Plan> {
        let measures = self.measures(&rule.measures);
        let filter = rule.filter.as_ref().map(|filter| self.filter(filter, "filter"));
        let group = self.group(rule);
        let ranges = rule.resolve(self.context.zone, self.context.now_ms, self.context.limits);
        let ranges = match ranges {
            Ok(ranges) => ranges,
            Err(errors) => {
                for error in errors.errors {
                    self.report.add(error.code, error.path, error.message);
                }
                return None;
            }
        };
        let buckets = self.buckets(rule.interval, &ranges.current)?;
        let previous_buckets = match &ranges.previous {
            Some(previous) => self.buckets(rule.interval, previous)?,
            None => Vec::new(),
        };
        self.bound_answer(rule, buckets.len())?;
        if !self.report.is_empty() {
            return None;
        }
        Some(Plan {
            app: self.context.app.to_string(),
            zone: self.context.zone_name.to_owned(),
            range: ranges.current,
            previous: ranges.previous,
            reads: std::mem::take(&mut self.reads),
            events: union_of_events(&rule.measures),
            filter: filter.flatten(),
            measures,
            group,
            interval: rule.interval,
            buckets,
            previous_buckets,
        })
    }

    fn measures(&mut self, measures: &[Measure]) -> Vec<MeasureNode> {
        let union = union_of_events(measures);
        let mut nodes = Vec::with_capacity(measures.len());
        for (at, measure) in measures.iter().enumerate() {
            let path = format!("measures[{at}]");
            let input = measure.attribute.as_deref().and_then(|name| {
                let id = self.read(name, measure.kind, &path, "attribute")?;
                self.input_fits(measure.measure, id, &path)
            });
            let filter_path = format!("{path}.filter");
            let filter = measure.filter.as_ref().and_then(|filter| self.filter(filter, &filter_path));
            let events = (!measure.events.is_empty()).then(|| measure.events.clone());
            let events = if events == union { None } else { events };
            nodes.push(MeasureNode {
                name: measure.name.clone(),
                measure: measure.measure,
                input,
                events,
                filter,
            });
        }
        nodes
    }

    fn input_fits(&mut self, measure: MeasureKind, id: ReadId, path: &str) -> Option<ReadId> {
        let read = &self.reads[id.0];
        if measure == MeasureKind::Distinct && read.kind != AttributeType::StringList
            || read.kind == AttributeType::Number
        {
            return Some(id);
        }
        if read.kind == AttributeType::StringList {
            let message = format!("{:?} is a list, which can only be filtered by", read.attribute);
            self.report.add(ErrorCode::TypeMismatch, format!("{path}.attribute"), message);
            return None;
        }
        let message = format!(
            "{} needs a number, and {:?} is a {}; state \"type\": \"number\" to read it as one",
            measure.word(),
            read.attribute,
            read.kind.name()
        );
        self.report.add(ErrorCode::TypeMismatch, format!("{path}.attribute"), message);
        None
    }

    fn group(&mut self, rule: &Rule) -> Option<Group> {
        let mut by = Vec::with_capacity(rule.breakdown.len());
        for (at, attribute) in rule.breakdown.iter().enumerate() {
            let path = format!("breakdown[{at}]");
            let Some(id) = self.read(&attribute.name, attribute.kind, &path, "") else { continue };
            if self.reads[id.0].kind == AttributeType::StringList {
                let message = format!("{:?} is a list, which can only be filtered by", attribute.name);
                self.report.add(ErrorCode::TypeMismatch, path, message);
                continue;
            }
            by.push(id);
        }
        let top = rule.top.unwrap_or(crate::TOP_DEFAULT);
        (!by.is_empty()).then_some(Group { by, top })
    }

    fn filter(&mut self, filter: &Filter, path: &str) -> Option<Condition> {
        let many = |this: &mut Self, filters: &[Filter], word: &str| {
            let at = |(at, f)| this.filter(f, &format!("{path}.{word}[{at}]"));
            let checked = filters.iter().enumerate().map(at).collect::<Vec<_>>();
            checked.into_iter().collect::<Option<Vec<_>>>()
        };
        match filter {
            Filter::And { and } => Some(Condition::All(many(self, and, "and")?)),
            Filter::Or { or } => Some(Condition::Any(many(self, or, "or")?)),
            Filter::Not { not } => Some(Condition::Not(Box::new(self.filter(not, &format!("{path}.not"))?))),
            Filter::Condition { attribute, kind, is, value } => {
                let read = self.read(attribute, *kind, path, "attribute")?;
                let (zone, limits) = (self.context.zone, self.context.limits);
                let typing = Typing { path, kind: self.reads[read.0].kind, zone, limits };
                let (test, negated) = typing.test(*is, value.as_ref(), &mut self.report)?;
                let condition = Condition::Test { read, test };
                Some(if negated { Condition::Not(Box::new(condition)) } else { condition })
            }
        }
    }

    /// The read of an attribute, one for each name and type.
    fn read(&mut self, name: &str, stated: Option<AttributeType>, path: &str, field: &str) -> Option<ReadId> {
        let at = |field: &str| match field {
            "" => path.to_owned(),
            field => format!("{path}.{field}"),
        };
        let planned = self.context.attributes.iter().find(|a| a.name == name);
        // A plan may have the name from before it was built in: then the app's own one is meant.
        let (kind, source) = if let (Some(built_in), None) = (built_in(name), planned) {
            if stated.is_some_and(|stated| stated != built_in.kind) {
                let message = format!("{name:?} is built in and always a {}", built_in.kind.name());
                self.report.add(ErrorCode::TypeMismatch, at("type"), message);
                return None;
            }
            (built_in.kind, Source::Column(built_in.column))
        } else {
            let Some(kind) = stated.or(planned.map(|a| a.kind)) else {
                self.unknown(name, at(field));
                return None;
            };
            // A type other than the plan's is not what the slot holds.
            let slotted = planned.filter(|a| a.kind == kind);
            (kind, self.source(slotted))
        };
        let read = Read { attribute: name.to_owned(), kind, source };
        let known = self.reads.iter().position(|other| *other == read);
        Some(ReadId(known.unwrap_or_else(|| {
            self.reads.push(read);
            self.reads.len() - 1
        })))
    }

    fn source(&self, attribute: Option<&Attribute>) -> Source {
        match attribute.and_then(|a| a.slot) {
            None => Source::Json,
            Some(assigned) if self.context.slot_floor.is_some_and(|floor| floor >= assigned.since) => {
                Source::Slot(assigned.slot)
            }
            Some(assigned) => Source::SlotOrJson { slot: assigned.slot, since: assigned.since },
        }
    }

    fn unknown(&mut self, name: &str, path: String) {
        let planned = self.context.attributes.iter().map(|a| a.name.as_str());
        let near = nearest(name, planned.chain(BUILT_INS.iter().map(|b| b.name)));
        let message = format!(
            "the attribute {name:?} is not defined; define it, or state its type: \
             {{\"attribute\": {name:?}, \"type\": \"number\"}}"
        );
        self.report.add_near(ErrorCode::AttributeUnknown, path, message, near);
    }

    fn buckets(&mut self, interval: Option<Interval>, range: &ResolvedRange) -> Option<Vec<Bucket>> {
        let Some(interval) = interval else { return Some(Vec::new()) };
        let max = self.context.limits.points_max;
        let about = (range.to_ms - range.from_ms) / interval.nominal_ms();
        if about > max as i64 {
            let found = format!("the range has about {about} intervals of a {}", interval.word());
            self.report.over("interval", found, ("points_max", max));
            return None;
        }
        let cut = buckets(interval, range.from_ms, range.to_ms, self.context.zone);
        if cut.is_none() {
            let message = "the range lies beyond the years that can be computed";
            self.report.add(ErrorCode::RangeInvalid, "range", message);
        }
        cut
    }

    fn bound_answer(&mut self, rule: &Rule, buckets: usize) -> Option<()> {
        let series = rule.top.map_or(1, |top| top as usize + 1);
        let periods = 1 + usize::from(rule.compare.is_some());
        let points = buckets * series * rule.measures.len() * periods;
        let max = self.context.limits.answer_points_max;
        if points > max {
            let found =
                format!("the answer may have {points} points (intervals × groups × measures × periods)");
            self.report.over("interval", found, ("answer_points_max", max));
            return None;
        }
        Some(())
    }
}

/// The events that any measure counts; none if one of them counts all.
fn union_of_events(measures: &[Measure]) -> Option<Vec<String>> {
    if measures.iter().any(|measure| measure.events.is_empty()) {
        return None;
    }
    let mut union = measures.iter().flat_map(|measure| measure.events.iter().cloned()).collect::<Vec<_>>();
    union.sort();
    union.dedup();
    Some(union)
}
