//! The intervals of a range, cut in the app's time zone.
//!
//! Days, weeks and months are calendar intervals: from the first midnight of a date to that of
//! another (where a midnight is skipped, from the first instant after the skip). Hours and minutes
//! are cut at the local clock's full hours and minutes, and also where the clock is set: a
//! repeated hour makes two buckets, and a zone that moves by half an hour gets a short one.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::Interval;

/// One interval of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its first instant, in milliseconds since 1970-01-01 UTC.
    pub start_ms: i64,
    /// What people call it: `2024-03` (month), `2024-03-04` (day; week, by its Monday),
    /// `2024-03-04T08:00+08:00` (hour, minute).
    pub label: String,
    /// Whether the range covers only a part of it.
    pub partial: bool,
}

/// The first instant of a date in a zone. None beyond the years that can be computed.
pub(crate) fn day_start_ms(date: Date, zone: &TimeZone) -> Option<i64> {
    Some(zone.to_ambiguous_zoned(date.at(0, 0, 0, 0)).compatible().ok()?.timestamp().as_millisecond())
}

/// The start of the interval that holds an instant.
pub(crate) fn floor(interval: Interval, at_ms: i64, zone: &TimeZone) -> Option<i64> {
    match interval {
        Interval::Minute | Interval::Hour => clock_floor(interval.nominal_ms(), at_ms, zone),
        _ => day_start_ms(first_date(interval, date_at(at_ms, zone)?)?, zone),
    }
}

/// The start of the interval `count` (which may be negative) after the one that starts at
/// `start_ms`. Hours and minutes are counted on a clock that is never set.
pub(crate) fn shift(interval: Interval, start_ms: i64, count: i64, zone: &TimeZone) -> Option<i64> {
    if matches!(interval, Interval::Minute | Interval::Hour) {
        let moved = start_ms.checked_add(count.checked_mul(interval.nominal_ms())?)?;
        return clock_floor(interval.nominal_ms(), moved, zone);
    }
    let date = first_date(interval, date_at(start_ms, zone)?)?;
    day_start_ms(shift_date(interval, date, count)?, zone)
}

/// The buckets that cover `[from_ms, to_ms)`. The caller has bounded their number.
pub(crate) fn buckets(interval: Interval, from_ms: i64, to_ms: i64, zone: &TimeZone) -> Option<Vec<Bucket>> {
    let starts = match interval {
        Interval::Minute | Interval::Hour => clock_starts(interval.nominal_ms(), from_ms, to_ms, zone)?,
        _ => calendar_starts(interval, from_ms, to_ms, zone)?,
    };
    let ends = starts.iter().skip(1).map(|(start_ms, _)| *start_ms).collect::<Vec<_>>();
    let bucket = |(at, (start_ms, label)): (usize, (i64, String))| {
        let cut_at_end = match ends.get(at) {
            Some(end_ms) => *end_ms > to_ms,
            None => end_of(interval, start_ms, zone) > Some(to_ms),
        };
        Bucket { start_ms, label, partial: start_ms < from_ms || cut_at_end }
    };
    Some(starts.into_iter().enumerate().map(bucket).collect())
}

fn end_of(interval: Interval, start_ms: i64, zone: &TimeZone) -> Option<i64> {
    match interval {
        Interval::Minute | Interval::Hour => {
            Some(clock_end(interval.nominal_ms(), start_ms, next_set_ms(start_ms, zone), zone))
        }
        _ => shift(interval, start_ms, 1, zone),
    }
}

/// The date that an instant belongs to: the last one whose first midnight is not after it. That
/// is the local date but for clocks set back across midnight.
pub(crate) fn date_at(at_ms: i64, zone: &TimeZone) -> Option<Date> {
    let local = zone.to_datetime(Timestamp::from_millisecond(at_ms).ok()?).date();
    let next = local.tomorrow().ok()?;
    let has_begun = day_start_ms(next, zone)? <= at_ms;
    Some(if has_begun { next } else { local })
}

fn first_date(interval: Interval, date: Date) -> Option<Date> {
    match interval {
        Interval::Week => date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days()).ok(),
        Interval::Month => Some(date.first_of_month()),
        _ => Some(date),
    }
}

pub(crate) fn shift_date(interval: Interval, date: Date, count: i64) -> Option<Date> {
    let span = match interval {
        Interval::Week => jiff::Span::new().try_weeks(count),
        Interval::Month => jiff::Span::new().try_months(count),
        _ => jiff::Span::new().try_days(count),
    };
    date.checked_add(span.ok()?).ok()
}

fn calendar_starts(
    interval: Interval,
    from_ms: i64,
    to_ms: i64,
    zone: &TimeZone,
) -> Option<Vec<(i64, String)>> {
    let mut starts: Vec<(i64, String)> = Vec::new();
    let mut date = first_date(interval, date_at(from_ms, zone)?)?;
    loop {
        let start_ms = day_start_ms(date, zone)?;
        if start_ms >= to_ms {
            return Some(starts);
        }
        let label = match interval {
            Interval::Month => date.strftime("%Y-%m").to_string(),
            _ => date.to_string(),
        };
        match starts.last_mut() {
            // A date that a zone skipped as a whole begins with the next one, and never was.
            Some(last) if last.0 == start_ms => last.1 = label,
            _ => starts.push((start_ms, label)),
        }
        date = shift_date(interval, date, 1)?;
    }
}

fn clock_starts(step_ms: i64, from_ms: i64, to_ms: i64, zone: &TimeZone) -> Option<Vec<(i64, String)>> {
    let mut starts = Vec::new();
    let mut start_ms = clock_floor(step_ms, from_ms, zone)?;
    let mut set_ms = next_set_ms(start_ms, zone);
    while start_ms < to_ms {
        let zoned = Timestamp::from_millisecond(start_ms).ok()?.to_zoned(zone.clone());
        starts.push((start_ms, zoned.strftime("%Y-%m-%dT%H:%M%:z").to_string()));
        start_ms = clock_end(step_ms, start_ms, set_ms, zone);
        if set_ms.is_some_and(|set_ms| set_ms <= start_ms) {
            set_ms = next_set_ms(start_ms, zone);
        }
    }
    Some(starts)
}

/// The start of the clock interval that holds an instant: its full hour or minute, or where the
/// clock was set within it.
fn clock_floor(step_ms: i64, at_ms: i64, zone: &TimeZone) -> Option<i64> {
    let full = at_ms - (at_ms + offset_ms(at_ms, zone)?).rem_euclid(step_ms);
    let after = Timestamp::from_millisecond(at_ms + 1).ok()?;
    let set_ms = zone
        .preceding(after)
        .map(|t| t.timestamp().as_millisecond())
        .take_while(|t| *t > full)
        .find(|t| is_set(*t, zone));
    Some(set_ms.unwrap_or(full))
}

fn clock_end(step_ms: i64, start_ms: i64, set_ms: Option<i64>, zone: &TimeZone) -> i64 {
    let offset = offset_ms(start_ms, zone).unwrap_or(0);
    let full = start_ms + step_ms - (start_ms + offset).rem_euclid(step_ms);
    set_ms.filter(|set_ms| *set_ms < full).unwrap_or(full)
}

/// When the clock is set next after an instant. Changes of nothing but the abbreviation don't count.
fn next_set_ms(at_ms: i64, zone: &TimeZone) -> Option<i64> {
    let at = Timestamp::from_millisecond(at_ms).ok()?;
    zone.following(at).map(|t| t.timestamp().as_millisecond()).take(16).find(|t| is_set(*t, zone))
}

fn is_set(at_ms: i64, zone: &TimeZone) -> bool {
    offset_ms(at_ms - 1, zone) != offset_ms(at_ms, zone)
}

fn offset_ms(at_ms: i64, zone: &TimeZone) -> Option<i64> {
    let at = Timestamp::from_millisecond(at_ms).ok()?;
    Some(i64::from(zone.to_offset(at).seconds()) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    /// Expected: start in UTC, label; a `~` before the label marks a partial bucket.
    fn check(zone_name: &str, interval: Interval, from: &str, to: &str, expected: &[(&str, &str)]) {
        let found = buckets(interval, ms(from), ms(to), &zone(zone_name)).unwrap();
        let shown = found
            .iter()
            .map(|b| {
                let start = Timestamp::from_millisecond(b.start_ms).unwrap().to_string();
                (start, format!("{}{}", if b.partial { "~" } else { "" }, b.label))
            })
            .collect::<Vec<_>>();
        let shown = shown.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>();
        assert_eq!(shown, expected, "{zone_name} {interval:?}");
    }

    #[test]
    fn days_are_as_long_as_the_clock_makes_them() {
        check(
            "America/New_York",
            Interval::Day,
            "2024-11-02T04:00:00Z",
            "2024-11-05T05:00:00Z",
            &[
                ("2024-11-02T04:00:00Z", "2024-11-02"),
                ("2024-11-03T04:00:00Z", "2024-11-03"),
                ("2024-11-04T05:00:00Z", "2024-11-04"),
            ],
        );
        check(
            "Asia/Kolkata",
            Interval::Day,
            "2024-02-28T18:30:00Z",
            "2024-03-01T12:00:00Z",
            &[("2024-02-28T18:30:00Z", "2024-02-29"), ("2024-02-29T18:30:00Z", "~2024-03-01")],
        );
    }

    #[test]
    fn a_day_whose_midnight_is_skipped_starts_after_the_skip() {
        check(
            "America/Sao_Paulo",
            Interval::Day,
            "2017-10-14T03:00:00Z",
            "2017-10-16T02:00:00Z",
            &[("2017-10-14T03:00:00Z", "2017-10-14"), ("2017-10-15T03:00:00Z", "2017-10-15")],
        );
        check(
            "Asia/Beirut",
            Interval::Day,
            "2024-03-29T22:00:00Z",
            "2024-03-31T21:00:00Z",
            &[("2024-03-29T22:00:00Z", "2024-03-30"), ("2024-03-30T22:00:00Z", "2024-03-31")],
        );
    }

    #[test]
    fn a_skipped_date_is_no_bucket() {
        check(
            "Pacific/Apia",
            Interval::Day,
            "2011-12-29T10:00:00Z",
            "2012-01-01T10:00:00Z",
            &[
                ("2011-12-29T10:00:00Z", "2011-12-29"),
                ("2011-12-30T10:00:00Z", "2011-12-31"),
                ("2011-12-31T10:00:00Z", "2012-01-01"),
            ],
        );
    }

    #[test]
    fn a_clock_set_back_across_midnight_does_not_return_to_the_day_before() {
        // St. John's went from 00:01 back to 23:01 of the day before.
        let st_johns = zone("America/St_Johns");
        let second_evening = ms("2006-10-29T03:00:00Z");
        assert_eq!(st_johns.to_datetime(Timestamp::from_millisecond(second_evening).unwrap()).day(), 28);
        assert_eq!(date_at(second_evening, &st_johns).unwrap().to_string(), "2006-10-29");
        assert_eq!(floor(Interval::Day, second_evening, &st_johns), Some(ms("2006-10-29T02:30:00Z")));
    }

    #[test]
    fn hours_follow_the_clock() {
        check(
            "America/New_York",
            Interval::Hour,
            "2024-11-03T05:00:00Z",
            "2024-11-03T08:00:00Z",
            &[
                ("2024-11-03T05:00:00Z", "2024-11-03T01:00-04:00"),
                ("2024-11-03T06:00:00Z", "2024-11-03T01:00-05:00"),
                ("2024-11-03T07:00:00Z", "2024-11-03T02:00-05:00"),
            ],
        );
        check(
            "America/New_York",
            Interval::Hour,
            "2024-03-10T06:00:00Z",
            "2024-03-10T08:00:00Z",
            &[
                ("2024-03-10T06:00:00Z", "2024-03-10T01:00-05:00"),
                ("2024-03-10T07:00:00Z", "2024-03-10T03:00-04:00"),
            ],
        );
        check(
            "Asia/Kolkata",
            Interval::Hour,
            "2024-03-10T06:00:00Z",
            "2024-03-10T07:00:00Z",
            &[
                ("2024-03-10T05:30:00Z", "~2024-03-10T11:00+05:30"),
                ("2024-03-10T06:30:00Z", "~2024-03-10T12:00+05:30"),
            ],
        );
    }

    #[test]
    fn lord_howe_moves_by_half_an_hour() {
        check(
            "Australia/Lord_Howe",
            Interval::Hour,
            "2024-04-06T14:00:00Z",
            "2024-04-06T16:30:00Z",
            &[
                ("2024-04-06T14:00:00Z", "2024-04-07T01:00+11:00"),
                ("2024-04-06T15:00:00Z", "2024-04-07T01:30+10:30"),
                ("2024-04-06T15:30:00Z", "2024-04-07T02:00+10:30"),
            ],
        );
        check(
            "Australia/Lord_Howe",
            Interval::Hour,
            "2024-10-05T14:30:00Z",
            "2024-10-05T17:00:00Z",
            &[
                ("2024-10-05T14:30:00Z", "2024-10-06T01:00+10:30"),
                ("2024-10-05T15:30:00Z", "2024-10-06T02:30+11:00"),
                ("2024-10-05T16:00:00Z", "2024-10-06T03:00+11:00"),
            ],
        );
    }

    #[test]
    fn weeks_start_on_monday_and_months_on_the_first() {
        check(
            "UTC",
            Interval::Week,
            "2024-02-28T00:00:00Z",
            "2024-03-06T00:00:00Z",
            &[("2024-02-26T00:00:00Z", "~2024-02-26"), ("2024-03-04T00:00:00Z", "~2024-03-04")],
        );
        check(
            "Asia/Shanghai",
            Interval::Month,
            "2024-01-31T16:00:00Z",
            "2024-03-31T16:00:00Z",
            &[("2024-01-31T16:00:00Z", "2024-02"), ("2024-02-29T16:00:00Z", "2024-03")],
        );
    }

    #[test]
    fn every_instant_lies_in_the_bucket_that_floor_names() {
        for name in
            ["America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Asia/Beirut", "Pacific/Apia"]
        {
            let zone = zone(name);
            for interval in [Interval::Hour, Interval::Day, Interval::Week, Interval::Month] {
                let (from, to) = (ms("2006-03-01T00:00:00Z"), ms("2006-12-01T00:00:00Z"));
                let cut = buckets(interval, from, to, &zone).unwrap();
                assert!(cut.windows(2).all(|pair| pair[0].start_ms < pair[1].start_ms));
                for at in (from..to).step_by(17 * 60_000 + 13) {
                    let last = cut.partition_point(|b| b.start_ms <= at);
                    assert_eq!(floor(interval, at, &zone), Some(cut[last - 1].start_ms), "{name} {at}");
                }
            }
        }
    }
}
