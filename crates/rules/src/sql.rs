//! Step 4: plan → SQL.
//!
//! One statement a period: a scan that reads each attribute once and cuts time into buckets, for a
//! breakdown a ranking of its groups over the current period, and an aggregation that folds the
//! groups beyond the top into "others" before it counts, so that people are counted once. Totals
//! come from the same pass as the buckets (GROUPING SETS).
//!
//! Buckets are cut by `roundDown` over the buckets' starts, which come as a parameter: a list of
//! runs (start, step, count), since a range has few places where the step changes. So the engine
//! needs no time zones, and both sides cut at the very same instants.
//!
//! Columns of the rows: `whole` (1 = the total over the range), `others` (1 = beyond the top), one
//! text per breakdown attribute (empty = not set), `bucket` (its start in milliseconds), one value
//! per measure.

use std::ops::Bound;

use crate::compile::{Period, Statement};
use crate::plan::{Condition, MeasureNode, Plan, ReadId, Test};
use crate::sql_params::Params;
use crate::sql_read::{definitions, name};
use crate::{Bucket, MeasureKind, ResolvedRange};
use suanpan_event::AttributeType;

/// Prints the statement of one period.
pub(crate) fn statement(plan: &Plan, table: &str, period: Period) -> Statement {
    let mut printer = Printer { plan, table, params: Params::default() };
    let sql = printer.statement(period);
    Statement { sql, params: printer.params.into_bound(), period }
}

struct Printer<'a> {
    plan: &'a Plan,
    table: &'a str,
    params: Params,
}

impl Printer<'_> {
    fn statement(&mut self, period: Period) -> String {
        let plan = self.plan;
        let (range, buckets) = match (period, &plan.previous) {
            (Period::Previous, Some(previous)) => (previous, &plan.previous_buckets),
            _ => (&plan.range, &plan.buckets),
        };
        let mut with = vec![format!("scan AS\n(\n{}\n)", indent(&self.scan(range, buckets, "")))];
        if plan.group.is_some() {
            let mut ranked = "scan";
            if period == Period::Previous {
                ranked = "current_scan";
                let current = self.scan(&plan.range, &[], "current_");
                with.push(format!("current_scan AS\n(\n{}\n)", indent(&current)));
            }
            with.push(format!("top AS\n(\n{}\n)", indent(&self.top(ranked))));
        }
        format!("WITH {}\n{}", with.join(",\n"), self.aggregation(!buckets.is_empty()))
    }

    /// The rows of a period that count for any measure.
    fn scan(&mut self, range: &ResolvedRange, buckets: &[Bucket], prefix: &str) -> String {
        let plan = self.plan;
        let mut columns = Vec::new();
        if plan
            .measures
            .iter()
            .any(|m| matches!(m.measure, MeasureKind::People | MeasureKind::EventsPerPerson))
        {
            columns.push("actor_id".to_owned());
        }
        if !buckets.is_empty() {
            columns.push(format!("{} AS bucket", self.bucket(buckets)));
        }
        for (at, read) in plan.reads.iter().enumerate() {
            for definition in definitions(ReadId(at), read, &mut self.params) {
                if !columns.contains(&definition) {
                    columns.push(definition);
                }
            }
        }
        let mut where_all = self.guards(range, prefix);
        if let Some(filter) = &plan.filter {
            where_all.push(self.condition(filter));
        }
        // A row must count for some measure; where there is only one, for that.
        let counts = plan.measures.iter().map(|measure| self.counts(measure)).collect::<Vec<_>>();
        if let [Some(only)] = &counts[..] {
            where_all.push(only.clone());
        } else {
            let named = |(at, condition): (usize, &Option<String>)| {
                condition.as_ref().map(|condition| format!("{condition} AS c{}", at + 1))
            };
            columns.extend(counts.iter().enumerate().filter_map(named));
            // Without filters of measures, the guard on events has said it all.
            let has_filter = plan.measures.iter().any(|measure| measure.filter.is_some());
            if has_filter && counts.iter().all(Option::is_some) {
                let names = (1..=counts.len()).map(|at| format!("c{at}")).collect::<Vec<_>>();
                where_all.push(format!("({})", names.join(" OR ")));
            }
        }
        if columns.is_empty() {
            columns.push("event".to_owned());
        }
        let (columns, conditions) = (columns.join(",\n    "), where_all.join("\n    AND "));
        format!("SELECT\n    {columns}\nFROM {}\nWHERE {conditions}", self.table)
    }

    /// The app, the partitions, the range, the events: what the storage is sorted by.
    fn guards(&mut self, range: &ResolvedRange, prefix: &str) -> Vec<String> {
        let mut named = |name: &str, kind: &str, value: String| {
            self.params.named(&format!("{prefix}{name}"), kind, || value)
        };
        let instant = "DateTime64(3, 'UTC')";
        let from = named("from", instant, instant_text(range.from_ms));
        let to = named("to", instant, instant_text(range.to_ms));
        let from_date = named("from_date", "Date", range.from_date.to_string());
        let to_date = named("to_date", "Date", range.to_date.to_string());
        let app = self.params.named("app", "String", || self.plan.app.clone());
        let mut guards = vec![
            format!("app_id = {app}"),
            format!("report_date BETWEEN {from_date} AND {to_date}"),
            format!("event_time >= {from} AND event_time < {to}"),
        ];
        if let Some(events) = &self.plan.events {
            guards.push(self.events(events));
        }
        guards
    }

    /// The start of a row's bucket.
    fn bucket(&mut self, buckets: &[Bucket]) -> String {
        let runs = self.params.named("buckets", "Array(Tuple(Int64, Int64, Int64))", || runs(buckets));
        let starts = format!("arrayFlatten(arrayMap(r -> range(r.1, r.1 + r.2 * r.3, r.2), {runs}))");
        format!("roundDown(toUnixTimestamp64Milli(event_time), {starts})")
    }

    /// The groups that are named.
    fn top(&mut self, ranked: &str) -> String {
        let plan = self.plan;
        let Some(group) = &plan.group else { return String::new() };
        let keys = group.by.iter().enumerate();
        let keys = keys.map(|(at, id)| format!("{} AS g{}", self.key(*id), at + 1)).collect::<Vec<_>>();
        let names = (1..=keys.len()).map(|at| format!("g{at}")).collect::<Vec<_>>().join(", ");
        let first = self.aggregate(0);
        let top = self.params.named("top", "UInt32", || group.top.to_string());
        format!(
            "SELECT {}\nFROM {ranked}\nGROUP BY {names}\nORDER BY {first} DESC NULLS LAST, {names}\nLIMIT {top}",
            keys.join(", ")
        )
    }

    fn aggregation(&mut self, has_buckets: bool) -> String {
        let plan = self.plan;
        let by = plan.group.as_ref().map_or(&[][..], |group| &group.by);
        let keys = by.iter().map(|id| self.key(*id)).collect::<Vec<_>>();
        let mut columns =
            vec![if has_buckets { "grouping(bucket) AS whole" } else { "1 AS whole" }.to_owned()];
        let mut group_by = Vec::new();
        if keys.is_empty() {
            columns.push("0 AS others".to_owned());
        } else {
            columns.push(format!("({}) NOT IN (SELECT * FROM top) AS others", keys.join(", ")));
            group_by.push("others".to_owned());
        }
        for (at, key) in keys.iter().enumerate() {
            columns.push(format!("if(others, '', {key}) AS h{}", at + 1));
            group_by.push(format!("h{}", at + 1));
        }
        columns.push(if has_buckets { "bucket" } else { "0 AS bucket" }.to_owned());
        for at in 0..plan.measures.len() {
            columns.push(format!("{} AS m{}", self.aggregate(at), at + 1));
        }
        let mut sql = format!("SELECT\n    {}\nFROM scan", columns.join(",\n    "));
        let keys = group_by.join(", ");
        if has_buckets {
            let with_bucket = if keys.is_empty() { "bucket".to_owned() } else { format!("{keys}, bucket") };
            sql.push_str(&format!("\nGROUP BY GROUPING SETS (({with_bucket}), ({keys}))"));
        } else if !keys.is_empty() {
            sql.push_str(&format!("\nGROUP BY {keys}"));
        }
        sql
    }

    /// A breakdown attribute's value as text; empty if not set. A negative zero is a zero.
    fn key(&self, id: ReadId) -> String {
        let read = self.plan.read(id);
        let name = name(id, read);
        match read.kind {
            AttributeType::String => name,
            _ => format!("ifNull(toString({name} + 0.), '')"),
        }
    }

    /// One measure over the scan's rows.
    fn aggregate(&self, at: usize) -> String {
        let plan = self.plan;
        let measure = &plan.measures[at];
        let is_partial = plan.measures.len() > 1 && (measure.events.is_some() || measure.filter.is_some());
        let condition = is_partial.then(|| format!("c{}", at + 1));
        let call = |function: &str, parameters: &str, input: &str| match &condition {
            None => format!("{function}{parameters}({input})"),
            Some(condition) if input.is_empty() => format!("{function}If{parameters}({condition})"),
            Some(condition) => format!("{function}If{parameters}({input}, {condition})"),
        };
        let input = measure.input.map(|id| name(id, plan.read(id))).unwrap_or_default();
        let is_text = measure.input.is_some_and(|id| plan.read(id).kind == AttributeType::String);
        match measure.measure {
            MeasureKind::Events => call("count", "", ""),
            MeasureKind::People => call("uniqExact", "", "actor_id"),
            MeasureKind::EventsPerPerson => {
                format!("{} / nullIf({}, 0)", call("count", "", ""), call("uniqExact", "", "actor_id"))
            }
            MeasureKind::Sum => format!("ifNull({}, 0)", call("sum", "", &input)),
            MeasureKind::Avg => call("avg", "", &input),
            MeasureKind::Min => call("min", "", &input),
            MeasureKind::Max => call("max", "", &input),
            MeasureKind::P50 => call("quantileExact", "(0.5)", &input),
            MeasureKind::P90 => call("quantileExact", "(0.9)", &input),
            MeasureKind::P99 => call("quantileExact", "(0.99)", &input),
            MeasureKind::Distinct if is_text => call("uniqExact", "", &format!("nullIf({input}, '')")),
            MeasureKind::Distinct => call("uniqExact", "", &format!("{input} + 0.")),
        }
    }

    /// When a row counts for a measure; none if always.
    fn counts(&mut self, measure: &MeasureNode) -> Option<String> {
        let events = measure.events.as_ref().map(|events| self.events(events));
        let filter = measure.filter.as_ref().map(|filter| self.condition(filter));
        match (events, filter) {
            (Some(events), Some(filter)) => Some(format!("({events} AND {filter})")),
            (events, filter) => Some(format!("({})", events.or(filter)?)),
        }
    }

    fn events(&mut self, events: &[String]) -> String {
        match events {
            [one] => format!("event = {}", self.params.text(one)),
            several => format!("event IN {}", self.params.texts(several)),
        }
    }

    /// A condition; every one is 0 or 1, never null, so that `NOT` is the exact opposite.
    fn condition(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::All(all) => self.joined(all, " AND "),
            Condition::Any(any) => self.joined(any, " OR "),
            Condition::Not(inner) => format!("NOT ({})", self.condition(inner)),
            Condition::Test { read, test } => {
                let name = name(*read, self.plan.read(*read));
                let is_text =
                    matches!(self.plan.read(*read).kind, AttributeType::String | AttributeType::StringList);
                self.test(&name, is_text, test)
            }
        }
    }

    fn joined(&mut self, conditions: &[Condition], word: &str) -> String {
        let parts = conditions.iter().map(|c| self.condition(c)).collect::<Vec<_>>();
        format!("({})", parts.join(word))
    }

    fn test(&mut self, name: &str, is_text: bool, test: &Test) -> String {
        match test {
            Test::Set if is_text => format!("{name} != ''"),
            Test::Set => format!("{name} IS NOT NULL"),
            Test::TextIs(text) => format!("{name} = {}", self.params.text(text)),
            Test::TextIn(texts) => format!("{name} IN {}", self.params.texts(texts)),
            Test::Contains(text) => format!("position({name}, {}) > 0", self.params.text(text)),
            Test::Has(text) => format!(
                "has(arrayMap(e -> multiIf(startsWith(e, '\"'), JSONExtractString(e), \
                 match(e, '^[-0-9tf]'), e, ''), JSONExtractArrayRaw({name})), {})",
                self.params.text(text)
            ),
            Test::Starts(text) => format!("startsWith({name}, {})", self.params.text(text)),
            Test::Matches(pattern) => {
                format!("({name} != '' AND match({name}, {}))", self.params.text(pattern))
            }
            Test::NumberIs(number) => format!("ifNull({name} = {}, 0)", self.params.number(*number)),
            Test::NumberIn(numbers) => {
                format!("ifNull({name} + 0. IN {}, 0)", self.params.numbers(numbers))
            }
            Test::NumberWithin(low, high) => {
                let low = match low {
                    Bound::Included(low) => Some(format!("{name} >= {}", self.params.number(*low))),
                    Bound::Excluded(low) => Some(format!("{name} > {}", self.params.number(*low))),
                    Bound::Unbounded => None,
                };
                let high = match high {
                    Bound::Included(high) => Some(format!("{name} <= {}", self.params.number(*high))),
                    Bound::Excluded(high) => Some(format!("{name} < {}", self.params.number(*high))),
                    Bound::Unbounded => None,
                };
                let both = low.into_iter().chain(high).collect::<Vec<_>>().join(" AND ");
                format!("ifNull({both}, 0)")
            }
        }
    }
}

/// Buckets' starts as runs (start, step, count) of equal steps, as an array of tuples.
fn runs(buckets: &[Bucket]) -> String {
    let starts = buckets.iter().map(|b| b.start_ms).collect::<Vec<_>>();
    let mut runs = Vec::new();
    let mut at = 0;
    while at < starts.len() {
        let step = starts.get(at + 1).map_or(1, |next| next - starts[at]);
        let steps = starts[at..].windows(2).take_while(|pair| pair[1] - pair[0] == step).count();
        runs.push(format!("({},{step},{})", starts[at], steps + 1));
        at += steps + 1;
    }
    format!("[{}]", runs.join(","))
}

fn instant_text(ms: i64) -> String {
    let instant = jiff::Timestamp::from_millisecond(ms).expect("a resolved range lies in storable years");
    instant.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
