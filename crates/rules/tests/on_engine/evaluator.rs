//! A slow evaluator of trend rules: loops over rows, as the guide describes rules. It shares the
//! rule's types and `coerce` with the crate, and nothing of its checks, plans, buckets or SQL.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde_json::{Number, Value};
use suanpan_event::{Attribute, AttributeType, Scalar as Found};
use suanpan_rules::{
    Answer, Filter, Interval, Measure, MeasureKind, Moment, Operand, Operator, Range, Rule, Scalar,
};

use crate::data::Row;

/// Values of the measures in one place.
pub type Values = Vec<Option<f64>>;

/// What one period found for one group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found1 {
    pub total: Values,
    /// By the bucket's label; buckets without anything are left out.
    pub points: BTreeMap<String, Values>,
}

/// Group (as JSON texts; none for the others), current and previous period.
pub type Findings = Vec<(Option<Vec<String>>, Found1, Option<Found1>)>;

pub struct Evaluator<'a> {
    pub rule: &'a Rule,
    pub rows: &'a [Row],
    pub attributes: &'a [Attribute],
    pub zone: TimeZone,
    pub now_ms: i64,
}

/// A typed value; `None` is not set.
#[derive(Debug, Clone, PartialEq)]
enum Typed {
    Text(String),
    Number(f64),
    Boolean(bool),
    Instant(f64),
}

impl Evaluator<'_> {
    pub fn findings(&self) -> Findings {
        let current = self.counted(0);
        let previous = self.rule.compare.map(|_| self.counted(1));
        let top = self.top(&current);
        let mut keys: Vec<Option<Vec<String>>> = top.iter().cloned().map(Some).collect();
        let is_other = |row: &&Row| !top.contains(&self.group(row));
        let grouped = !self.rule.breakdown.is_empty();
        if grouped && current.iter().chain(previous.iter().flatten()).any(is_other) {
            keys.push(None);
        }
        if !grouped {
            keys = vec![Some(Vec::new())];
        }
        let of = |rows: &[&Row], key: &Option<Vec<String>>| {
            let chosen = rows.iter().copied().filter(|row| match key {
                Some(key) => self.group(row) == *key,
                None => is_other(row),
            });
            self.found(&chosen.collect::<Vec<_>>())
        };
        keys.into_iter()
            .map(|key| {
                let previous = previous.as_ref().map(|rows| of(rows, &key));
                (key.clone(), of(&current, &key), previous)
            })
            .collect()
    }

    /// The rows of a period (1 = the previous) that count for any measure.
    fn counted(&self, period: i64) -> Vec<&Row> {
        let counts = |row: &&Row| self.rule.measures.iter().any(|measure| self.counts(row, measure));
        self.rows.iter().filter(|row| self.in_period(row.time_ms, period)).filter(counts).collect()
    }

    fn counts(&self, row: &Row, measure: &Measure) -> bool {
        let holds = |filter: &Option<Filter>| filter.as_ref().is_none_or(|filter| self.holds(filter, row));
        let event = measure.events.is_empty() || measure.events.contains(&row.event);
        event && holds(&measure.filter) && holds(&self.rule.filter)
    }

    fn local(&self, ms: i64) -> Zoned {
        Timestamp::from_millisecond(ms).unwrap().to_zoned(self.zone.clone())
    }

    fn in_period(&self, ms: i64, period: i64) -> bool {
        let at = self.local(ms);
        match self.rule.range {
            Range::Relative { last, unit } => {
                let last = i64::from(last);
                let age = match unit {
                    Interval::Minute | Interval::Hour => {
                        let step = if unit == Interval::Minute { 60_000 } else { 3_600_000 };
                        // Zones of these tests keep full hours in step with UTC, up to a half.
                        let offset = i64::from(at.offset().seconds()) * 1_000;
                        let now = (self.now_ms + offset).div_euclid(step);
                        now - (ms + offset).div_euclid(step)
                    }
                    _ => self.units_between(unit, at.date(), self.local(self.now_ms).date()),
                };
                (period * last..(period + 1) * last).contains(&age)
            }
            Range::Absolute { from: Moment::Date(from), to: Moment::Date(to) } => {
                let days = (to - from).get_days() + 1;
                let shift = (i64::from(days) * period).days();
                (from - shift..=to - shift).contains(&at.date())
            }
            Range::Absolute { from, to } => {
                let (from, to) = (from.start_ms(&self.zone).unwrap(), to.start_ms(&self.zone).unwrap());
                let shift = (to - from) * period;
                (from - shift..to - shift).contains(&ms)
            }
        }
    }

    fn units_between(&self, unit: Interval, early: Date, late: Date) -> i64 {
        let monday = |date: Date| date - i64::from(date.weekday().to_monday_zero_offset()).days();
        let month = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month());
        match unit {
            Interval::Week => i64::from((monday(late) - monday(early)).get_days()) / 7,
            Interval::Month => month(late) - month(early),
            _ => i64::from((late - early).get_days()),
        }
    }

    fn bucket(&self, ms: i64) -> Option<String> {
        let at = self.local(ms);
        let date = at.date();
        Some(match self.rule.interval? {
            Interval::Month => date.strftime("%Y-%m").to_string(),
            Interval::Week => (date - i64::from(date.weekday().to_monday_zero_offset()).days()).to_string(),
            Interval::Day => date.to_string(),
            interval => {
                // Walks back minute by minute until the clock shows another hour or was set.
                let mut start = self.local(ms.div_euclid(60_000) * 60_000);
                let same = |a: &Zoned, b: &Zoned| a.hour() == b.hour() && a.offset() == b.offset();
                while interval == Interval::Hour && same(&(&start - 1.minute()), &start) {
                    start = &start - 1.minute();
                }
                start.strftime("%Y-%m-%dT%H:%M%:z").to_string()
            }
        })
    }

    fn value(&self, row: &Row, name: &str, stated: Option<AttributeType>) -> Option<Typed> {
        let text = |text: &str| (!text.is_empty()).then(|| Typed::Text(text.to_owned()));
        match name {
            "event" => return text(&row.event),
            "actor_id" => return text(&row.person),
            "platform" => return text(&row.platform),
            "country" => return text(&row.country),
            "bot" => return Some(Typed::Boolean(row.bot)),
            "event_time" => return Some(Typed::Instant(row.time_ms as f64)),
            _ => {}
        }
        let planned = self.attributes.iter().find(|a| a.name == name).map(|a| a.kind);
        let kind = stated.or(planned).unwrap();
        Some(match (row.property(name, kind)?, kind) {
            (Found::Text(text), _) => Typed::Text(text.into_owned()),
            (Found::Number(number), AttributeType::Boolean) => Typed::Boolean(number != 0.0),
            (Found::Number(number), AttributeType::Datetime) => Typed::Instant(number),
            (Found::Number(number), _) => Typed::Number(number + 0.0),
        })
    }

    fn holds(&self, filter: &Filter, row: &Row) -> bool {
        match filter {
            Filter::And { and } => and.iter().all(|f| self.holds(f, row)),
            Filter::Or { or } => or.iter().any(|f| self.holds(f, row)),
            Filter::Not { not } => !self.holds(not, row),
            Filter::Condition { attribute, kind, is, value } => {
                let found = self.value(row, attribute, *kind);
                match is {
                    Operator::Set => found.is_some(),
                    Operator::NotSet => found.is_none(),
                    Operator::IsNot => !self.passes(found, Operator::Is, value),
                    Operator::NotIn => !self.passes(found, Operator::In, value),
                    Operator::NotContains => !self.passes(found, Operator::Contains, value),
                    is => self.passes(found, *is, value),
                }
            }
        }
    }

    fn passes(&self, found: Option<Typed>, is: Operator, value: &Option<Operand>) -> bool {
        let Some(found) = found else { return false };
        let values = match value.as_ref().unwrap() {
            Operand::One(value) => std::slice::from_ref(value),
            Operand::Many(values) => values,
        };
        match (found, is) {
            (Typed::Text(found), _) => {
                let mut texts = values.iter().map(|value| match value {
                    Scalar::Text(text) => text.as_str(),
                    other => panic!("{other:?}"),
                });
                match is {
                    Operator::Contains => found.contains(texts.next().unwrap()),
                    Operator::Starts => found.starts_with(texts.next().unwrap()),
                    Operator::Regex => matches_one_of_ours(&found, texts.next().unwrap()),
                    _ => texts.any(|text| text == found),
                }
            }
            (Typed::Number(found), _) => {
                let number = |at: usize| match &values[at] {
                    Scalar::Number(number) => *number,
                    other => panic!("{other:?}"),
                };
                match is {
                    Operator::Above => found > number(0),
                    Operator::From => found >= number(0),
                    Operator::Below => found < number(0),
                    Operator::To => found <= number(0),
                    Operator::Between => found >= number(0) && found <= number(1),
                    _ => (0..values.len()).any(|at| found == number(at)),
                }
            }
            (Typed::Boolean(found), _) => values[0] == Scalar::Boolean(found),
            (Typed::Instant(found), _) => {
                let moment = |at: usize| match &values[at] {
                    Scalar::Text(text) => text.parse::<Moment>().unwrap(),
                    other => panic!("{other:?}"),
                };
                let start = |at| moment(at).start_ms(&self.zone).unwrap() as f64;
                let end = |at| moment(at).end_ms(&self.zone).unwrap() as f64;
                match is {
                    Operator::Above => found >= end(0),
                    Operator::From => found >= start(0),
                    Operator::Below => found < start(0),
                    Operator::To => found < end(0),
                    Operator::Between => found >= start(0) && found < end(1),
                    _ => found >= start(0) && found < end(0),
                }
            }
        }
    }

    /// The breakdown's values as JSON texts.
    fn group(&self, row: &Row) -> Vec<String> {
        let shown = |value: Option<Typed>| match value {
            None => "null".to_owned(),
            Some(Typed::Text(text)) => Value::from(text).to_string(),
            Some(Typed::Boolean(value)) => value.to_string(),
            Some(Typed::Number(number)) => shown_number(number),
            Some(Typed::Instant(ms)) if ms.fract() == 0.0 && ms.abs() < 1e14 => {
                let text = self.local(ms as i64).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string();
                Value::from(text).to_string()
            }
            Some(Typed::Instant(ms)) => shown_number(ms),
        };
        self.rule.breakdown.iter().map(|a| shown(self.value(row, &a.name, a.kind))).collect()
    }

    /// The engine orders equal groups by their texts, "not set" being the empty one.
    fn tie_key(&self, row: &Row) -> Vec<String> {
        let shown = |value: Option<Typed>| match value {
            None => String::new(),
            Some(Typed::Text(text)) => text,
            Some(Typed::Boolean(value)) => u8::from(value).to_string(),
            Some(Typed::Number(number) | Typed::Instant(number)) => shown_number(number),
        };
        self.rule.breakdown.iter().map(|a| shown(self.value(row, &a.name, a.kind))).collect()
    }

    fn top(&self, rows: &[&Row]) -> Vec<Vec<String>> {
        let mut groups: BTreeMap<Vec<String>, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            groups.entry(self.tie_key(row)).or_default().push(row);
        }
        let mut ranked = groups.into_values().collect::<Vec<_>>();
        let rank =
            |rows: &[&Row]| self.measure(&self.rule.measures[0], rows).map_or(f64::INFINITY, |v| 0.0 - v);
        // Stable, so ties stay in the order of the map.
        ranked.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
        let top = self.rule.top.unwrap_or(0) as usize;
        ranked.iter().take(top).map(|rows| self.group(rows[0])).collect()
    }

    fn found(&self, rows: &[&Row]) -> Found1 {
        let all =
            |rows: &[&Row]| self.rule.measures.iter().map(|m| self.measure(m, rows)).collect::<Values>();
        let mut buckets: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            if let Some(label) = self.bucket(row.time_ms) {
                buckets.entry(label).or_default().push(row);
            }
        }
        Found1 { total: all(rows), points: buckets.iter().map(|(k, rows)| (k.clone(), all(rows))).collect() }
    }

    fn measure(&self, measure: &Measure, rows: &[&Row]) -> Option<f64> {
        let rows = rows.iter().filter(|row| self.counts(row, measure)).collect::<Vec<_>>();
        let people = rows.iter().map(|row| &row.person).collect::<BTreeSet<_>>().len() as f64;
        let of = measure.attribute.as_deref().unwrap_or_default();
        let values = || rows.iter().filter_map(|row| self.value(row, of, measure.kind));
        let mut numbers = match measure.measure {
            MeasureKind::Events
            | MeasureKind::People
            | MeasureKind::EventsPerPerson
            | MeasureKind::Distinct => vec![],
            _ => values()
                .map(|value| match value {
                    Typed::Number(number) => number,
                    other => panic!("{other:?}"),
                })
                .collect::<Vec<_>>(),
        };
        numbers.sort_by(f64::total_cmp);
        let at =
            |level: f64| numbers.get(((level * numbers.len() as f64) as usize).min(numbers.len().max(1) - 1));
        match measure.measure {
            MeasureKind::Events => Some(rows.len() as f64),
            MeasureKind::People => Some(people),
            MeasureKind::EventsPerPerson => (people > 0.0).then(|| rows.len() as f64 / people),
            MeasureKind::Sum => Some(0.0 + numbers.iter().sum::<f64>()),
            MeasureKind::Avg => {
                (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
            }
            MeasureKind::Min => numbers.first().copied(),
            MeasureKind::Max => numbers.last().copied(),
            MeasureKind::P50 => at(0.5).copied(),
            MeasureKind::P90 => at(0.9).copied(),
            MeasureKind::P99 => at(0.99).copied(),
            MeasureKind::Distinct => {
                let shown = |value| format!("{value:?}");
                Some(values().map(shown).collect::<BTreeSet<_>>().len() as f64)
            }
        }
    }
}

/// A number as the engine prints it: an exponent from 1e21 and below 1e-6.
fn shown_number(number: f64) -> String {
    if number == 0.0 || (1e-6..1e21).contains(&number.abs()) {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

/// The regular expressions that the tests use, written out.
pub const PATTERNS: &[&str] = &["^a", "[0-9]+$", "(?i)ADS", "^.{3}$", "."];

fn matches_one_of_ours(text: &str, pattern: &str) -> bool {
    match pattern {
        "^a" => text.starts_with('a'),
        "[0-9]+$" => text.ends_with(|c: char| c.is_ascii_digit()),
        "(?i)ADS" => text.to_lowercase().contains("ads"),
        "^.{3}$" => text.chars().count() == 3,
        "." => !text.is_empty(),
        other => panic!("no such pattern: {other}"),
    }
}

/// An answer in the evaluator's form; checks that every bucket without findings is empty.
pub fn findings_of(answer: &Answer) -> Findings {
    let values =
        |values: &[Option<Number>]| values.iter().map(|v| v.as_ref().and_then(Number::as_f64)).collect();
    let found = |total: &[Option<Number>], points: &[Vec<Option<Number>>], labels: &[&str], current: bool| {
        let mut found = Found1 { total: values(total), points: BTreeMap::new() };
        for line in points {
            assert_eq!(line.len(), answer.buckets.len());
        }
        for (at, label) in labels.iter().enumerate().take(answer.buckets.len()) {
            let column = points.iter().map(|line| line[at].clone()).collect::<Vec<_>>();
            assert!(current || column.len() == answer.measures.len());
            found.points.insert((*label).to_owned(), values(&column));
        }
        found
    };
    let labels = answer.buckets.iter().map(|b| b.label.as_str()).collect::<Vec<_>>();
    let before = answer.previous_buckets.iter().map(|b| b.label.as_str()).collect::<Vec<_>>();
    answer
        .series
        .iter()
        .map(|series| {
            let group = (!series.others).then(|| series.group.iter().map(Value::to_string).collect());
            let current = found(&series.total, &series.points, &labels, true);
            let previous = series.previous.as_ref().map(|p| found(&p.total, &p.points, &before, false));
            (group, current, previous)
        })
        .collect()
}
