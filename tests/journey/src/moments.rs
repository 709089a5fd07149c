use jiff::Timestamp;

/// Milliseconds of a minute.
pub const MINUTE_MS: i64 = 60_000;
/// Milliseconds of an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds of 24 hours.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// Now, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// The time `ms` milliseconds ago, in milliseconds since 1970.
pub fn ago(ms: i64) -> i64 {
    now_ms() - ms
}

/// Milliseconds since 1970 of a local time such as `2026-03-08T01:30:00[America/New_York]`.
///
/// # Panics
/// The text is no zoned time.
pub fn instant(zoned: &str) -> i64 {
    let time: jiff::Zoned = zoned.parse().expect("a local time with its zone in brackets");
    time.timestamp().as_millisecond()
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
///
/// # Panics
/// The year has more than four digits.
pub fn instant_text(ms: i64) -> String {
    Timestamp::from_millisecond(ms).expect("a time within some thousand years").to_string()
}
