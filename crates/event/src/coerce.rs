use std::borrow::Cow;

use crate::AttributeType;

/// A property's value as one of an attribute's type.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'a> {
    /// Text; never empty.
    Text(Cow<'a, str>),
    /// A finite number; a boolean is 0 or 1, a datetime milliseconds since 1970.
    Number(f64),
}

/// What a property's JSON value is as an attribute of a type; none when it does not count as set.
///
/// This is the one definition. The pipeline fills slots by it, and the rule compiler's JSON
/// fallback is written to give the same values, which a test on the engine compares:
///
/// | type | JSON text | JSON number | true, false | null, object, array |
/// |---|---|---|---|---|
/// | string | itself, unless empty | its shortest decimal text | `true`, `false` | not set |
/// | number | a plain decimal number, else not set | itself | 1, 0 | not set |
/// | boolean | not set | not set | itself | not set |
/// | datetime | RFC 3339 with offset, else not set | milliseconds since 1970 | not set | not set |
///
/// A list of texts is no single value, so as a list nothing counts as set here.
///
/// `raw` is the value's JSON text without surrounding whitespace, as [`crate::properties::admit`]
/// leaves it.
pub fn coerce(raw: &str, kind: AttributeType) -> Option<Scalar<'_>> {
    let first = *raw.as_bytes().first()?;
    match (kind, first) {
        (AttributeType::String, b'"') => non_empty(json_text(raw)?),
        (AttributeType::String, b't' | b'f') => Some(Scalar::Text(raw.into())),
        (AttributeType::String, b'-' | b'0'..=b'9') => Some(Scalar::Text(number_text(raw)?)),
        (AttributeType::Number, b'"') => finite(decimal(&json_text(raw)?)?),
        (AttributeType::Number, b't') => finite(1.0),
        (AttributeType::Number, b'f') => finite(0.0),
        (AttributeType::Number | AttributeType::Datetime, b'-' | b'0'..=b'9') => finite(raw.parse().ok()?),
        (AttributeType::Boolean, b't') => finite(1.0),
        (AttributeType::Boolean, b'f') => finite(0.0),
        // Instants are within ±2^53 milliseconds, so the conversion is exact.
        (AttributeType::Datetime, b'"') => finite(crate::parse_time(&json_text(raw)?)? as f64),
        _ => None,
    }
}

fn json_text(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
    } else {
        Some(inner.into())
    }
}

fn non_empty(text: Cow<'_, str>) -> Option<Scalar<'_>> {
    (!text.is_empty()).then_some(Scalar::Text(text))
}

fn finite(number: f64) -> Option<Scalar<'static>> {
    number.is_finite().then_some(Scalar::Number(number))
}

/// A decimal number with optional sign, fraction and exponent; no spaces, no hexadecimal, no
/// `inf` or `nan`.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if plain { text.parse().ok() } else { None }
}

/// A number's text as ClickHouse prints it: integers of 64 bits digit for digit, others as the
/// shortest decimal that reads back the same, with an exponent below 1e-6 and from 1e21.
fn number_text(raw: &str) -> Option<Cow<'_, str>> {
    // An integer has no negative zero; a fraction (-0.0) does.
    if raw == "-0" {
        return Some("0".into());
    }
    let is_integer = !raw.bytes().any(|b| matches!(b, b'.' | b'e' | b'E'));
    if is_integer && (raw.parse::<i64>().is_ok() || raw.parse::<u64>().is_ok()) {
        return Some(raw.into());
    }
    let number: f64 = raw.parse().ok()?;
    if !number.is_finite() {
        return None;
    }
    if number == 0.0 {
        return Some(if number.is_sign_negative() { "-0" } else { "0" }.into());
    }
    let (digits, exponent) = shortest_digits(number.abs());
    let sign = if number < 0.0 { "-" } else { "" };
    Some(format!("{sign}{}", laid_out(&digits, exponent)).into())
}

/// The digits `d₁d₂…` and the exponent of `d₁.d₂… × 10^exponent`, the fewest that read back the same
/// and of those the nearest, ties to even. (Rust's own formatting breaks such ties upwards, where
/// ClickHouse and serde_json do not: -1705402986766759.25 ends in .2, not .3.)
fn shortest_digits(number: f64) -> (String, i32) {
    let printed = serde_json::to_string(&number).expect("a finite number is JSON");
    let (mantissa, exponent) = printed.split_once('e').unwrap_or((&printed, "0"));
    let exponent: i32 = exponent.parse().expect("an exponent of a 64-bit float is a small integer");
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let leading_zeros = all.len() - digits.len();
    let first_place = i32::try_from(whole.len()).expect("a mantissa is short")
        - 1
        - i32::try_from(leading_zeros).expect("a mantissa is short");
    (digits.trim_end_matches('0').to_owned(), first_place + exponent)
}

/// Digits in decimal notation from 1e-6 to below 1e21, else with an exponent.
fn laid_out(digits: &str, exponent: i32) -> String {
    match usize::try_from(exponent) {
        Ok(place @ 0..=20) if digits.len() <= place + 1 => {
            format!("{digits}{}", "0".repeat(place + 1 - digits.len()))
        }
        Ok(place @ 0..=20) => format!("{}.{}", &digits[..=place], &digits[place + 1..]),
        Err(_negative) if exponent >= -6 => {
            format!("0.{}{digits}", "0".repeat((-exponent - 1).unsigned_abs() as usize))
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            format!("{first}{point}{rest}e{exponent}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Option<Scalar<'_>> {
        Some(Scalar::Text(value.into()))
    }

    #[test]
    fn values_count_as_the_table_says() {
        use AttributeType::{Boolean, Datetime, Number, String};
        let check = |raw: &str, kind, expected: Option<Scalar<'_>>| {
            assert_eq!(coerce(raw, kind), expected, "{raw} as {kind:?}");
        };
        check(r#""ios""#, String, text("ios"));
        check(r#""a\"b""#, String, text("a\"b"));
        check(r#""""#, String, None);
        check("12", String, text("12"));
        check("1.0", String, text("1"));
        check("1e21", String, text("1e21"));
        check("0.00000012", String, text("1.2e-7"));
        check("0.0000012", String, text("0.0000012"));
        check("-1705402986766759.2", String, text("-1705402986766759.2"));
        check("123456789e12", String, text("123456789000000000000"));
        check("-1.5", String, text("-1.5"));
        check("1e300", String, text("1e300"));
        check("-0.0", String, text("-0"));
        check("18446744073709551615", String, text("18446744073709551615"));
        check("-0", String, text("0"));
        check("-0.0", String, text("-0"));
        check("true", String, text("true"));
        check("null", String, None);
        check("[1]", String, None);
        check("12.5", Number, Some(Scalar::Number(12.5)));
        check(r#""12.5""#, Number, Some(Scalar::Number(12.5)));
        check(r#"" 12""#, Number, None);
        check(r#""nan""#, Number, None);
        check(r#""0x10""#, Number, None);
        check("true", Number, Some(Scalar::Number(1.0)));
        check("{}", Number, None);
        check("true", Boolean, Some(Scalar::Number(1.0)));
        check("1", Boolean, None);
        check(r#""2024-03-01T00:00:00Z""#, Datetime, Some(Scalar::Number(1_709_251_200_000.0)));
        check("1709251200000", Datetime, Some(Scalar::Number(1_709_251_200_000.0)));
        check(r#""1 March""#, Datetime, None);
    }
}
