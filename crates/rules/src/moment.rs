use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use crate::bucket::day_start_ms;

/// A point in time as people write it in a rule. A date means the whole day in the app's zone, so
/// it has a start and an end; the others last one millisecond. Below a millisecond is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// `2024-03-01`: that day in the app's zone.
    Date(Date),
    /// `2024-03-01T08:00` or with seconds: that wall clock time in the app's zone. If the clock
    /// shows it twice, the first time; if it is skipped, as long after the skip as it lies within.
    Local(DateTime),
    /// `2024-03-01T08:00:00+08:00` or with `Z`: that instant.
    Instant(Timestamp),
}

impl Moment {
    /// Milliseconds since 1970 at which it starts. None beyond the years that can be computed.
    pub fn start_ms(self, zone: &TimeZone) -> Option<i64> {
        match self {
            Self::Date(date) => day_start_ms(date, zone),
            Self::Local(local) => Some(zone.to_timestamp(local).ok()?.as_millisecond()),
            Self::Instant(instant) => Some(instant.as_nanosecond().div_euclid(1_000_000) as i64),
        }
    }

    /// Milliseconds since 1970 of the first instant after it.
    pub fn end_ms(self, zone: &TimeZone) -> Option<i64> {
        match self {
            Self::Date(date) => day_start_ms(date.tomorrow().ok()?, zone),
            _ => self.start_ms(zone)?.checked_add(1),
        }
    }
}

/// The forms, for messages.
pub(crate) const MOMENT_FORMS: &str = "a date (2024-03-01), a local time in the app's zone \
     (2024-03-01T08:00) or an instant (2024-03-01T08:00:00+08:00)";

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not {MOMENT_FORMS}");
        let (Some(day), Some(rest)) = (text.get(..10), text.get(10..)) else { return Err(wrong()) };
        if rest.is_empty() {
            return day.parse().map(Self::Date).map_err(|e| format!("{}: {e}", wrong()));
        }
        if !rest.starts_with(['T', ' ']) || rest.contains('[') {
            return Err(wrong());
        }
        let parsed = if rest.contains(['Z', '+', '-']) {
            text.parse().map(Self::Instant)
        } else {
            text.parse().map(Self::Local)
        };
        parsed.map_err(|e| format!("{}: {e}", wrong()))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(date) => date.fmt(f),
            Self::Local(local) => local.fmt(f),
            Self::Instant(instant) => instant.fmt(f),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_told_apart() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let check = |text: &str, expected: Option<(i64, i64)>| {
            let found =
                text.parse::<Moment>().ok().and_then(|m| Some((m.start_ms(&zone)?, m.end_ms(&zone)?)));
            assert_eq!(found, expected, "{text}");
        };
        check("2024-11-03", Some((1_730_606_400_000, 1_730_696_400_000)));
        check("2024-11-03T01:30", Some((1_730_611_800_000, 1_730_611_800_001)));
        check("2024-03-10 02:30", Some((1_710_055_800_000, 1_710_055_800_001)));
        check("2024-11-03T01:30:00-05:00", Some((1_730_615_400_000, 1_730_615_400_001)));
        check("1969-12-31T23:59:59.9999Z", Some((-1, 0)));
        check("2024-02-30", None);
        check("2024-11-03T01:30[America/New_York]", None);
        check("2024-11", None);
        check("yesterday!", None);
        check("2024-11-03Txx", None);
    }
}
