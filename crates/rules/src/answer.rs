//! Step 5: rows → [`Answer`]: typed groups, every bucket present, both periods side by side.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use suanpan_event::AttributeType;

use crate::{Bucket, Compiled, Interval, MeasureKind, Period, ResolvedRange};

/// What a rule found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The measures' names, in the rule's order; `total` and `points` follow it.
    pub measures: Vec<String>,
    /// The attributes of the breakdown; each series' `group` follows it.
    pub breakdown: Vec<String>,
    /// How long a bucket is; none if only totals were asked for.
    pub interval: Option<Interval>,
    /// The time zone that days are counted in.
    pub zone: String,
    /// When.
    pub range: AnswerRange,
    /// The period compared with.
    pub previous_range: Option<AnswerRange>,
    /// The intervals of the range, without gaps.
    pub buckets: Vec<Bucket>,
    /// The intervals compared with, the first one with the first one. There can be one more or
    /// less than in `buckets`, as months have different lengths and clocks are set.
    pub previous_buckets: Vec<Bucket>,
    /// One without a breakdown, else one a group in the order of the first measure's total (equal
    /// ones in the order of their texts), the others last.
    pub series: Vec<Series>,
}

/// A range as text, in the app's time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRange {
    /// Its first instant, RFC 3339.
    pub from: String,
    /// The first instant after it.
    pub to: String,
    /// Whether it ends after the question was asked, so that events may still come.
    pub open: bool,
}

/// The measures of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// A value per attribute of the breakdown: text, number, boolean, RFC 3339 text for a
    /// datetime, null for not set. Empty without a breakdown and for the others.
    pub group: Vec<Value>,
    /// Whether these are all groups beyond the top together.
    pub others: bool,
    /// Per measure, over the whole range. Null where a mean or the like is of nothing.
    pub total: Vec<Option<Number>>,
    /// Per measure, per bucket. Empty without an interval.
    pub points: Vec<Vec<Option<Number>>>,
    /// The same group in the period compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousSeries>,
}

/// A series of the period compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviousSeries {
    /// Per measure, over that whole period.
    pub total: Vec<Option<Number>>,
    /// Per measure, one for each of the answer's `buckets`; null where that period had none.
    pub points: Vec<Vec<Option<Number>>>,
}

/// The engine's rows are not what the statement asks for. This is a mistake in this program or a
/// proxy in between, never the rule's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("statement {statement}, row {row}: {what}")]
pub struct AnswerMismatch {
    statement: usize,
    row: usize,
    what: String,
}

type Values = Vec<Option<Number>>;
/// Whether others, and the breakdown's values as text.
type Key = (bool, Vec<String>);

/// The rows of one group in one period.
#[derive(Default)]
struct GroupRows {
    total: Option<Values>,
    points: HashMap<i64, Values>,
}

type Rows = HashMap<Key, GroupRows>;

impl Compiled {
    /// Makes the answer of the statements' rows: one table per statement, each row's values in the
    /// order of the SELECT. Numbers may come as JSON numbers or as texts.
    ///
    /// # Errors
    /// A table or row does not have the form that its statement asks for.
    pub fn assemble(&self, tables: &[Vec<Vec<Value>>]) -> Result<Answer, AnswerMismatch> {
        if tables.len() != self.statements.len() {
            let what = format!("{} tables for {} statements", tables.len(), self.statements.len());
            return Err(AnswerMismatch { statement: tables.len(), row: 0, what });
        }
        let mut current = Rows::new();
        let mut previous = Rows::new();
        for (at, (statement, table)) in self.statements.iter().zip(tables).enumerate() {
            let rows = if statement.period == Period::Current { &mut current } else { &mut previous };
            for (row, cells) in table.iter().enumerate() {
                self.take(cells, rows).map_err(|what| AnswerMismatch { statement: at, row, what })?;
            }
        }
        Ok(self.answer(&current, &previous))
    }

    fn take(&self, cells: &[Value], rows: &mut Rows) -> Result<(), String> {
        let keys = self.breakdown().len();
        let expected = 3 + keys + self.plan.measures.len();
        if cells.len() != expected {
            return Err(format!("{} values instead of {expected}", cells.len()));
        }
        let flag = |cell: &Value| integer(cell).map(|n| n != 0);
        let whole = flag(&cells[0])?;
        let others = flag(&cells[1])?;
        let text =
            |cell: &Value| cell.as_str().map(str::to_owned).ok_or_else(|| format!("{cell} is no text"));
        let group = cells[2..2 + keys].iter().map(text).collect::<Result<Vec<_>, _>>()?;
        let bucket = integer(&cells[2 + keys])?;
        let values = cells[3 + keys..].iter().map(number).collect::<Result<Values, _>>()?;
        let key = (others, if others { Vec::new() } else { group });
        let rows = rows.entry(key).or_default();
        if whole {
            rows.total = Some(values);
        } else {
            rows.points.insert(bucket, values);
        }
        Ok(())
    }

    fn answer(&self, current: &Rows, previous: &Rows) -> Answer {
        let plan = &self.plan;
        let measures = plan.measures.iter().map(|m| m.name.clone()).collect();
        let range = |range: &ResolvedRange| AnswerRange {
            from: local_text(range.from_ms, &self.zone),
            to: local_text(range.to_ms, &self.zone),
            open: range.open,
        };
        Answer {
            measures,
            breakdown: self.breakdown().into_iter().map(|(name, _)| name).collect(),
            interval: plan.interval,
            zone: plan.zone.clone(),
            range: range(&plan.range),
            previous_range: plan.previous.as_ref().map(range),
            buckets: plan.buckets.clone(),
            previous_buckets: plan.previous_buckets.clone(),
            series: self.series(current, previous),
        }
    }

    fn series(&self, current: &Rows, previous: &Rows) -> Vec<Series> {
        let kinds = self.breakdown();
        let mut keys = current.keys().chain(previous.keys()).cloned().collect::<Vec<_>>();
        if kinds.is_empty() {
            keys.push((false, Vec::new()));
        }
        keys.sort_by(|a, b| self.order(current, a).total_cmp(&self.order(current, b)).then(a.cmp(b)));
        keys.sort_by_key(|key| key.0);
        keys.dedup();
        let series = |key: Key| {
            let (total, points) = self.filled(current.get(&key), &self.plan.buckets);
            let before = self.plan.previous.map(|_| {
                let (total, points) = self.filled(previous.get(&key), &self.plan.previous_buckets);
                let aligned = |mut line: Values| {
                    line.resize(self.plan.buckets.len(), None);
                    line
                };
                PreviousSeries { total, points: points.into_iter().map(aligned).collect() }
            });
            let group = key.1.iter().zip(&kinds).map(|(text, (_, kind))| self.group_value(text, *kind));
            Series { group: group.collect(), others: key.0, total, points, previous: before }
        };
        keys.into_iter().map(series).collect()
    }

    /// Sorts groups as the ranking does: descending by the first measure, null last.
    fn order(&self, rows: &Rows, key: &Key) -> f64 {
        let total = rows.get(key).and_then(|rows| rows.total.as_ref()?.first()?.as_ref()?.as_f64());
        total.map_or(f64::INFINITY, |total| 0.0 - total)
    }

    /// Total and points, with what the engine gave no row for.
    fn filled(&self, rows: Option<&GroupRows>, buckets: &[Bucket]) -> (Values, Vec<Values>) {
        let nothing = self.plan.measures.iter().map(|m| of_nothing(m.measure)).collect::<Values>();
        let total = rows.and_then(|rows| rows.total.clone()).unwrap_or_else(|| nothing.clone());
        if self.plan.interval.is_none() {
            return (total, Vec::new());
        }
        let at =
            |bucket: &Bucket| rows.and_then(|rows| rows.points.get(&bucket.start_ms)).unwrap_or(&nothing);
        let line = |measure: usize| buckets.iter().map(|bucket| at(bucket)[measure].clone()).collect();
        (total, (0..nothing.len()).map(line).collect())
    }

    /// Name and type of each attribute of the breakdown.
    fn breakdown(&self) -> Vec<(String, AttributeType)> {
        let by = self.plan.group.as_ref().map_or(&[][..], |group| &group.by);
        by.iter().map(|id| self.plan.read(*id)).map(|read| (read.attribute.clone(), read.kind)).collect()
    }

    fn group_value(&self, text: &str, kind: AttributeType) -> Value {
        let number = || text.parse::<f64>().ok().and_then(tidy);
        match kind {
            _ if text.is_empty() => Value::Null,
            AttributeType::String | AttributeType::StringList => text.into(),
            AttributeType::Boolean => (text != "0").into(),
            AttributeType::Number => number().map_or(Value::Null, Value::Number),
            AttributeType::Datetime => match number() {
                Some(ms) => instant(&ms, &self.zone).map_or(Value::Number(ms), Value::String),
                None => Value::Null,
            },
        }
    }
}

/// What a measure is of no events.
fn of_nothing(measure: MeasureKind) -> Option<Number> {
    match measure {
        MeasureKind::Events | MeasureKind::People | MeasureKind::Sum | MeasureKind::Distinct => {
            Some(0.into())
        }
        _ => None,
    }
}

fn integer(cell: &Value) -> Result<i64, String> {
    let read = match cell {
        Value::Number(number) => number.as_i64(),
        Value::Bool(value) => Some(i64::from(*value)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    read.ok_or_else(|| format!("{cell} is no whole number"))
}

fn number(cell: &Value) -> Result<Option<Number>, String> {
    let read = match cell {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    // What overflowed to infinity has no number in JSON.
    read.map(tidy).ok_or_else(|| format!("{cell} is no number"))
}

/// A number without a needless fraction: 5, not 5.0. None if it is not finite.
fn tidy(value: f64) -> Option<Number> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT_MAX {
        Some((value as i64).into())
    } else {
        Number::from_f64(value)
    }
}

fn instant(ms: &Number, zone: &TimeZone) -> Option<String> {
    let instant = Timestamp::from_millisecond(ms.as_i64()?).ok()?;
    Some(zoned_text(instant, zone))
}

fn local_text(ms: i64, zone: &TimeZone) -> String {
    let instant = Timestamp::from_millisecond(ms).expect("a resolved range lies in storable years");
    zoned_text(instant, zone)
}

fn zoned_text(instant: Timestamp, zone: &TimeZone) -> String {
    instant.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
}
