use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// How a time was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    /// RFC 3339, with an offset.
    Rfc3339,
    /// A date and time of day without an offset.
    Local,
    /// A date.
    Date,
    /// Seconds since 1970, with or without a fraction.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
}

impl TimeForm {
    /// The form in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rfc3339 => "time with offset",
            Self::Local => "time without offset",
            Self::Date => "date",
            Self::Seconds => "seconds since 1970",
            Self::Milliseconds => "milliseconds since 1970",
        }
    }
}

/// Reads a time in one of these forms and writes it as RFC 3339 in UTC, to the millisecond:
/// RFC 3339; `2026-03-01 08:00:00` with `T` or a space and an optional fraction, or `2026-03-01`
/// for its midnight, both in `zone`; ten digits (and a fraction) as seconds, thirteen as
/// milliseconds since 1970. Where a clock was set back, the earlier of two instants is meant; where
/// it was set forward, a time that did not exist counts by the offset before.
/// None for anything else, and outside of the years that can be stored.
pub fn read_time(text: &str, zone: &TimeZone) -> Option<(String, TimeForm)> {
    let text = text.trim();
    let (instant, form) = epoch(text).or_else(|| civil(text, zone)).or_else(|| {
        let upper = text.to_ascii_uppercase();
        let ms = suanpan_event::parse_time(&upper)?;
        Some((Timestamp::from_millisecond(ms).ok()?, TimeForm::Rfc3339))
    })?;
    let written = instant.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    // The gateway's own reader has the last word on which instants can be stored.
    suanpan_event::parse_time(&written).map(|_| (written, form))
}

fn epoch(text: &str) -> Option<(Timestamp, TimeForm)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let has_fraction = whole.len() < text.len();
    let number: i64 = whole.parse().ok()?;
    match whole.len() {
        10 if fraction.len() <= 9 => {
            let nanoseconds: i32 = format!("{fraction:0<9}").parse().ok()?;
            Some((Timestamp::new(number, nanoseconds).ok()?, TimeForm::Seconds))
        }
        13 if !has_fraction => Some((Timestamp::from_millisecond(number).ok()?, TimeForm::Milliseconds)),
        _ => None,
    }
}

fn civil(text: &str, zone: &TimeZone) -> Option<(Timestamp, TimeForm)> {
    let (local, form) = match text.len() {
        10 if has_shape(text, b"0000-00-00") => {
            (text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()), TimeForm::Date)
        }
        19.. if has_shape(text.get(..19)?, b"0000-00-00T00:00:00") && is_fraction(&text[19..]) => {
            (text.parse::<DateTime>().ok()?, TimeForm::Local)
        }
        _ => return None,
    };
    Some((zone.to_ambiguous_timestamp(local).compatible().ok()?, form))
}

fn is_fraction(text: &str) -> bool {
    match text.strip_prefix('.') {
        Some(digits) => (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()),
        None => text.is_empty(),
    }
}

/// Narrower than jiff's parser, which also reads what people hardly mean as a time.
fn has_shape(text: &str, shape: &[u8]) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape).all(|(given, &shape)| match shape {
            b'0' => given.is_ascii_digit(),
            b'T' => given == b'T' || given == b' ',
            _ => given == shape,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_in(zone: &str, text: &str, expected: Option<(&str, TimeForm)>) {
        let zone = TimeZone::get(zone).unwrap();
        let expected = expected.map(|(written, form)| (written.to_owned(), form));
        assert_eq!(read_time(text, &zone), expected, "{text}");
    }

    #[test]
    fn every_promised_form_is_read() {
        let check = |text, written, form| check_in("Asia/Shanghai", text, Some((written, form)));
        check("2026-03-01T08:00:00+08:00", "2026-03-01T00:00:00.000Z", TimeForm::Rfc3339);
        check("2026-03-01 00:00:00.5Z", "2026-03-01T00:00:00.500Z", TimeForm::Rfc3339);
        check("2026-03-01t00:00:00z", "2026-03-01T00:00:00.000Z", TimeForm::Rfc3339);
        check("2026-03-01 08:00:00", "2026-03-01T00:00:00.000Z", TimeForm::Local);
        check("2026-03-01T08:00:00.123456", "2026-03-01T00:00:00.123Z", TimeForm::Local);
        check(" 2026-03-01 ", "2026-02-28T16:00:00.000Z", TimeForm::Date);
        check("1772323200", "2026-03-01T00:00:00.000Z", TimeForm::Seconds);
        check("1772323200.25", "2026-03-01T00:00:00.250Z", TimeForm::Seconds);
        check("1772323200250", "2026-03-01T00:00:00.250Z", TimeForm::Milliseconds);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-02-30",
            "2026-03-01 08:00",
            "2026-03-01 25:00:00",
            "2026-03-01 08:00:00.",
            "20260301",
            "177232320",
            "1772323200250.5",
            "-1772323200",
            "1969-12-31",
            "2026-03-01 08:00:00[Asia/Tokyo]",
            "２０２６-03-01",
        ] {
            check_in("UTC", text, None);
        }
    }

    #[test]
    fn changes_of_the_clock_are_settled() {
        // Set forward at 02:00 to 03:00 on this day.
        check_in("Europe/Berlin", "2026-03-29 02:30:00", Some(("2026-03-29T01:30:00.000Z", TimeForm::Local)));
        // Set back at 03:00 to 02:00 on this day.
        check_in("Europe/Berlin", "2026-10-25 02:30:00", Some(("2026-10-25T00:30:00.000Z", TimeForm::Local)));
    }
}
