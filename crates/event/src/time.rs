use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The earliest and latest instants that can be stored (the range of ClickHouse's `DateTime64(3)`
/// and `Date`, whichever is narrower): 1970-01-01 to 2149-06-06.
const STORABLE_MS: std::ops::RangeInclusive<i64> = 0..=5_662_310_399_999;

/// Reads an instant: `2024-03-01T08:00:00.123+08:00`, that is RFC 3339 with `T` or a space,
/// seconds, an optional fraction of up to nine digits, and an offset or `Z`; to milliseconds.
/// None if it is anything else, or not between 1970 and 2149.
pub fn parse_time(text: &str) -> Option<i64> {
    if !has_rfc3339_shape(text.as_bytes()) {
        return None;
    }
    // Rounded down, also before 1970, where cutting off digits would round up.
    let ns = text.parse::<Timestamp>().ok()?.as_nanosecond();
    let ms = i64::try_from(ns.div_euclid(1_000_000)).ok()?;
    STORABLE_MS.contains(&ms).then_some(ms)
}

/// Narrower than jiff's parser, so that SQL can tell the same texts by one regular expression.
fn has_rfc3339_shape(text: &[u8]) -> bool {
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let Some((head, tail)) = text.split_at_checked(19) else { return false };
    let head_fits = head.iter().zip(b"0000-00-00T00:00:00").all(|(&given, &shape)| match shape {
        b'0' => given.is_ascii_digit(),
        b'T' => given == b'T' || given == b' ',
        _ => given == shape,
    });
    let (fraction, offset) = match tail.iter().position(|b| matches!(b, b'Z' | b'+' | b'-')) {
        Some(at) => tail.split_at(at),
        None => return false,
    };
    let fraction_fits = match fraction {
        [] => true,
        [b'.', rest @ ..] => (1..=9).contains(&rest.len()) && digits(rest),
        _ => false,
    };
    let offset_fits = match offset {
        [b'Z'] => true,
        [_, h @ .., b':', m1, m2] => h.len() == 2 && digits(h) && digits(&[*m1, *m2]),
        _ => false,
    };
    head_fits && fraction_fits && offset_fits && head[17] < b'6'
}

/// The UTC date of an instant in milliseconds: the partition an event is stored in.
pub fn report_date(event_time_ms: i64) -> Date {
    let clamped = event_time_ms.clamp(*STORABLE_MS.start(), *STORABLE_MS.end());
    Timestamp::from_millisecond(clamped)
        .expect("the storable range lies within jiff's")
        .to_zoned(TimeZone::UTC)
        .date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_an_offset_and_a_storable_year() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(parse_time(text), expected, "{text}");
        check("1970-01-01T00:00:00Z", Some(0));
        check("2024-03-01T08:00:00.123+08:00", Some(1_709_251_200_123));
        check("2024-03-01T00:00:00", None);
        check("2024-03-01 00:00:00Z", Some(1_709_251_200_000));
        check("2024-03-01T00:00:60Z", None);
        check("2024-03-01T00:00:00+0800", None);
        check("2024-03-01T00:00:00+08:00[Asia/Shanghai]", None);
        check("2024-02-30T00:00:00Z", None);
        check("2024-03-01", None);
        check("1969-12-31T23:59:59Z", None);
        check("1969-12-31T23:59:59.9999Z", None);
        check("2200-01-01T00:00:00Z", None);
        check("yesterday", None);
    }

    #[test]
    fn a_report_date_is_the_utc_day() {
        assert_eq!(report_date(1_709_251_199_999).to_string(), "2024-02-29");
        assert_eq!(report_date(1_709_251_200_000).to_string(), "2024-03-01");
    }
}
