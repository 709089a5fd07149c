use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use suanpan_event::report_date;

use crate::bucket::{day_start_ms, floor, shift, shift_date};
use crate::error::{ErrorCode, Report, RuleErrors};
use crate::{Interval, Moment, Range, Rule, RuleLimits};

const DAY_MS: i64 = 86_400_000;

/// The last instant that can be stored, exclusive: the end of 2149-06-06 UTC.
const STORABLE_END_MS: i64 = 5_662_310_400_000;

/// A range as instants, resolved in the app's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ResolvedRange {
    /// The first instant, in milliseconds since 1970-01-01 UTC.
    pub from_ms: i64,
    /// The first instant after it.
    pub to_ms: i64,
    /// The first UTC date that holds events of it: the first partition to read.
    pub from_date: Date,
    /// The last such date, inclusive.
    pub to_date: Date,
    /// Whether it ends after now, so that events may still come.
    pub open: bool,
}

impl ResolvedRange {
    fn new(from_ms: i64, to_ms: i64, now_ms: i64) -> Self {
        Self {
            from_ms,
            to_ms,
            from_date: report_date(from_ms),
            to_date: report_date(to_ms - 1),
            open: to_ms > now_ms,
        }
    }
}

/// The ranges a rule reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ResolvedRanges {
    /// The rule's range.
    pub current: ResolvedRange,
    /// The period just before, if the rule compares with it.
    pub previous: Option<ResolvedRange>,
}

impl ResolvedRanges {
    /// The first and last UTC date that are read, both inclusive.
    pub fn report_dates(&self) -> (Date, Date) {
        let first = self.previous.map_or(self.current.from_date, |previous| previous.from_date);
        (first, self.current.to_date)
    }
}

impl Rule {
    /// The instants this rule asks about when asked at `now_ms` in a time zone.
    ///
    /// # Errors
    /// The range is empty, longer than `range_days_max`, or not between 1970 and 2149.
    pub fn resolve(
        &self,
        zone: &TimeZone,
        now_ms: i64,
        limits: &RuleLimits,
    ) -> Result<ResolvedRanges, RuleErrors> {
        let mut report = Report::new(limits.errors_max);
        let ranges = resolve(self, zone, now_ms, limits, &mut report);
        report.finish(ranges)
    }
}

fn resolve(
    rule: &Rule,
    zone: &TimeZone,
    now_ms: i64,
    limits: &RuleLimits,
    report: &mut Report,
) -> Option<ResolvedRanges> {
    let bounds = match rule.range {
        Range::Relative { last, unit } => relative(i64::from(last), unit, zone, now_ms, limits),
        Range::Absolute { from, to } => absolute(from, to, zone),
    };
    let (current, previous) = match bounds {
        Ok(bounds) => bounds,
        Err(message) => {
            let code = match rule.range {
                Range::Relative { .. } => ErrorCode::LimitExceeded,
                Range::Absolute { .. } => ErrorCode::RangeInvalid,
            };
            report.add(code, "range", message);
            return None;
        }
    };
    check_bounds(current, "range", limits, report)?;
    if rule.compare.is_some() {
        check_bounds(previous, "compare", limits, report)?;
    }
    Some(ResolvedRanges {
        current: ResolvedRange::new(current.0, current.1, now_ms),
        previous: rule.compare.map(|_| ResolvedRange::new(previous.0, previous.1, now_ms)),
    })
}

/// From and to of the range, and of the period before.
type Bounds = ((i64, i64), (i64, i64));

fn relative(
    last: i64,
    unit: Interval,
    zone: &TimeZone,
    now_ms: i64,
    limits: &RuleLimits,
) -> Result<Bounds, String> {
    let days = last.saturating_mul(unit.nominal_ms()) / DAY_MS;
    if days > limits.range_days_max as i64 {
        let max = limits.range_days_max;
        return Err(format!("the range spans about {days} days; the limit range_days_max is {max}"));
    }
    let bounds = || {
        let current = floor(unit, now_ms, zone)?;
        let from = shift(unit, current, 1 - last, zone)?;
        Some(((from, shift(unit, current, 1, zone)?), (shift(unit, from, -last, zone)?, from)))
    };
    bounds().ok_or_else(|| "the range lies beyond the years that can be computed".to_owned())
}

fn absolute(from: Moment, to: Moment, zone: &TimeZone) -> Result<Bounds, String> {
    let beyond = || "the range lies beyond the years that can be computed".to_owned();
    let from_ms = from.start_ms(zone).ok_or_else(beyond)?;
    let to_ms = match to {
        Moment::Date(_) => to.end_ms(zone),
        _ => to.start_ms(zone),
    }
    .ok_or_else(beyond)?;
    if from_ms >= to_ms {
        return Err(format!("the range is empty: {to} is not after {from}"));
    }
    let before_ms = match (from, to) {
        (Moment::Date(first), Moment::Date(last)) => {
            let days = i64::from((last - first).get_days()) + 1;
            shift_date(Interval::Day, first, -days).and_then(|date| day_start_ms(date, zone))
        }
        _ => from_ms.checked_sub(to_ms - from_ms),
    }
    .ok_or_else(beyond)?;
    Ok(((from_ms, to_ms), (before_ms, from_ms)))
}

fn check_bounds(
    (from_ms, to_ms): (i64, i64),
    path: &str,
    limits: &RuleLimits,
    report: &mut Report,
) -> Option<()> {
    if from_ms < 0 || to_ms > STORABLE_END_MS {
        let message = "events are stored from 1970-01-01 to 2149-06-06 UTC; the period reaches beyond";
        report.add(ErrorCode::RangeInvalid, path, message);
        return None;
    }
    let days = (to_ms - from_ms + DAY_MS - 1) / DAY_MS;
    // A calendar day may be an hour or two longer than 24 hours, so a range of exactly the
    // allowed dates may come out as one more.
    if days > limits.range_days_max as i64 + 1 {
        let found = format!("the range spans {days} days");
        report.over(path, found, ("range_days_max", limits.range_days_max));
        return None;
    }
    Some(())
}
