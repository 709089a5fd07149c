//! An event's own fields: checked once at the gateway, read again by the pipeline.
//!
//! The JSON text that a client sent is kept as it is, with three exceptions, because the readers
//! downstream (ClickHouse's JSON functions, whose parser is simdjson) refuse a *whole document*
//! over each of them, and every field of the event would silently read as not set:
//! integers beyond 64 bits and numbers beyond 1.8e308 become text, digit for digit; half a
//! surrogate pair becomes U+FFFD; of a name given twice the first value stays.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{EventLimits, Rejection, RejectionCode, Warning, WarningCode};

/// The properties of one event: name and JSON text of each value, in the order of the document.
#[derive(Debug, Default)]
pub struct Properties<'a> {
    entries: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Properties<'a> {
    /// Reads the text of a JSON object.
    ///
    /// # Errors
    /// The text is no JSON object, or one of its top-level names holds half a surrogate pair.
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        let entries = json.deserialize_map(Entries)?;
        json.end()?;
        Ok(Self { entries })
    }

    /// Name and JSON text of each property. After [`admit`] no name comes twice.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.entries.iter().map(|(name, value)| (name.as_ref(), value.get()))
    }

    /// Name and JSON value of each property.
    pub fn raw(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.entries.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut entries = Vec::with_capacity(16);
        while let Some(name) = map.next_key::<Name<'de>>()? {
            entries.push((name.0, map.next_value()?));
        }
        Ok(entries)
    }
}

/// A name that borrows from the document where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Checks a properties object against the limits and makes its text readable for every JSON
/// reader downstream (see the module's text). Borrows the text where nothing had to change.
///
/// `raw` must be one valid JSON value, as `RawValue` holds it. Warnings are appended.
///
/// # Errors
/// The rejection names the property and the limit.
pub fn admit<'a>(
    raw: &'a str,
    limits: &EventLimits,
    warnings: &mut Vec<Warning>,
) -> Result<Cow<'a, str>, Rejection> {
    if !raw.starts_with('{') {
        return Err(Rejection::new(
            RejectionCode::WrongType,
            "properties",
            format!("properties must be an object, not {}", kind_of(raw)),
        ));
    }
    let text = repair(raw, warnings);
    let properties = Properties::parse(&text)
        .map_err(|e| Rejection::new(RejectionCode::Malformed, "properties", e.to_string()))?;
    check_limits(&properties, limits)?;
    match first_of_each(&properties, warnings) {
        Some(unique) => Ok(Cow::Owned(unique)),
        None => {
            drop(properties);
            Ok(text)
        }
    }
}

fn check_limits(properties: &Properties<'_>, limits: &EventLimits) -> Result<(), Rejection> {
    let count = properties.len();
    if count > limits.properties_max {
        return Err(Rejection::new(
            RejectionCode::TooManyProperties,
            "properties",
            format!("{count} properties; the limit properties_max is {}", limits.properties_max),
        ));
    }
    for (name, value) in properties.iter() {
        check_name(name, limits)?;
        let depth = 1 + nesting(value);
        if depth > limits.depth_max {
            return Err(Rejection::new(
                RejectionCode::TooDeep,
                format!("properties.{name}"),
                format!("nested {depth} levels deep; the limit depth_max is {}", limits.depth_max),
            ));
        }
    }
    Ok(())
}

fn check_name(name: &str, limits: &EventLimits) -> Result<(), Rejection> {
    // Bytes bound characters, so the count is only made for names that may be too long.
    if name.len() > limits.name_chars_max && name.chars().count() > limits.name_chars_max {
        let start: String = name.chars().take(32).collect();
        return Err(Rejection::new(
            RejectionCode::TooLong,
            format!("properties.{start}…"),
            format!("the name is longer than name_chars_max, {} characters", limits.name_chars_max),
        ));
    }
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Rejection::new(
            RejectionCode::InvalidName,
            format!("properties.{}", name.escape_debug()),
            "a property's name must not be empty or hold control characters",
        ));
    }
    Ok(())
}

/// The object without later values of names given before; none if every name comes once.
fn first_of_each(properties: &Properties<'_>, warnings: &mut Vec<Warning>) -> Option<String> {
    let mut names: Vec<&str> = properties.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    if names.windows(2).all(|pair| pair[0] != pair[1]) {
        return None;
    }
    let mut seen = std::collections::HashSet::new();
    let mut text = String::from("{");
    for (name, value) in properties.iter() {
        if !seen.insert(name) {
            Warning::add(warnings, || {
                let message = "given twice; the first value was kept";
                Warning::new(WarningCode::DuplicateProperty, format!("properties.{name}"), message)
            });
            continue;
        }
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(name).expect("text is always JSON"));
        text.push(':');
        text.push_str(value);
    }
    text.push('}');
    Some(text)
}

/// How many levels of objects and arrays a valid JSON text has: 0 for a scalar.
fn nesting(raw: &str) -> usize {
    if !raw.starts_with(['{', '[']) {
        return 0;
    }
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in raw.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth -= 1,
            _ => {}
        }
    }
    deepest
}

/// Walks the tokens of a valid JSON text and mends numbers and texts that readers downstream
/// refuse.
fn repair<'a>(raw: &'a str, warnings: &mut Vec<Warning>) -> Cow<'a, str> {
    let bytes = raw.as_bytes();
    let mut mended: Option<String> = None;
    let (mut copied, mut at) = (0, 0);
    while at < bytes.len() {
        let start = at;
        let replacement = match bytes[at] {
            b'"' => {
                at = text_end(bytes, at);
                mend_text(&raw[start..at])
            }
            b'-' | b'0'..=b'9' => {
                at = number_end(bytes, at);
                mend_number(&raw[start..at])
            }
            _ => {
                at += 1;
                continue;
            }
        };
        if let Some((new, warning)) = replacement {
            let out = mended.get_or_insert_with(|| String::with_capacity(raw.len() + 16));
            out.push_str(&raw[copied..start]);
            out.push_str(&new);
            copied = at;
            Warning::add(warnings, || warning);
        }
    }
    match mended {
        Some(mut out) => {
            out.push_str(&raw[copied..]);
            Cow::Owned(out)
        }
        None => Cow::Borrowed(raw),
    }
}

/// The index behind the closing quote of the text that opens at `start`.
pub(crate) fn text_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

fn number_end(bytes: &[u8], start: usize) -> usize {
    let is_number = |b: &u8| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    start + bytes[start..].iter().take_while(|b| is_number(b)).count()
}

/// Whether a text is a JSON number that every reader downstream takes: within 64 bits.
pub(crate) fn is_readable_number(text: &str) -> bool {
    let is_json = text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text);
    is_json && fits_64_bits(text)
}

fn fits_64_bits(number: &str) -> bool {
    let is_integer = !number.bytes().any(|b| matches!(b, b'.' | b'e' | b'E'));
    if is_integer {
        number.len() <= 18 || number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok()
    } else {
        number.parse::<f64>().is_ok_and(f64::is_finite)
    }
}

fn mend_number(text: &str) -> Option<(String, Warning)> {
    (!fits_64_bits(text)).then(|| {
        // Without the number: it may be a personal one, which the plan masks only later.
        let message = "a number does not fit into 64 bits; it was kept as text";
        (format!("\"{text}\""), Warning::new(WarningCode::NumberAsText, "properties", message))
    })
}

fn mend_text(quoted: &str) -> Option<(String, Warning)> {
    if !quoted.contains("\\u") || serde_json::from_str::<String>(quoted).is_ok() {
        return None;
    }
    let warning = Warning::new(
        WarningCode::TextRepaired,
        "properties",
        "half a surrogate pair in a text was replaced by U+FFFD",
    );
    Some((without_lone_surrogates(quoted), warning))
}

/// Replaces each `\uD800`–`\uDFFF` escape that is not part of a pair by `\ufffd`.
fn without_lone_surrogates(quoted: &str) -> String {
    let unit = |at: usize| -> Option<u16> {
        let escape = quoted.get(at..at + 6)?;
        u16::from_str_radix(escape.strip_prefix("\\u")?, 16).ok()
    };
    let mut out = String::with_capacity(quoted.len());
    let mut at = 0;
    while at < quoted.len() {
        match unit(at) {
            Some(0xD800..=0xDBFF) if unit(at + 6).is_some_and(|low| (0xDC00..=0xDFFF).contains(&low)) => {
                out.push_str(&quoted[at..at + 12]);
                at += 12;
            }
            Some(0xD800..=0xDFFF) => {
                out.push_str("\\ufffd");
                at += 6;
            }
            _ => {
                let escaped = usize::from(quoted[at..].starts_with('\\'));
                let width = quoted[at..].chars().take(1 + escaped).map(char::len_utf8).sum::<usize>();
                out.push_str(&quoted[at..at + width]);
                at += width;
            }
        }
    }
    out
}

/// What a JSON text is, for messages.
pub fn kind_of(raw: &str) -> &'static str {
    match raw.trim_start().bytes().next() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(raw: &str, expected: &str, codes: &[WarningCode]) {
        let mut warnings = Vec::new();
        let text = admit(raw, &EventLimits::default(), &mut warnings).unwrap();
        assert_eq!(text, expected);
        assert_eq!(warnings.iter().map(|w| w.code).collect::<Vec<_>>(), codes);
        assert_eq!(matches!(text, Cow::Borrowed(_)), codes.is_empty());
    }

    fn refused(raw: &str) -> RejectionCode {
        admit(raw, &EventLimits::default(), &mut Vec::new()).unwrap_err().code
    }

    #[test]
    fn text_is_kept_as_it_was_sent() {
        check(
            r#"{ "a" : 1.50, "店": [true, {"x": null}] }"#,
            r#"{ "a" : 1.50, "店": [true, {"x": null}] }"#,
            &[],
        );
        check(r#"{"big":18446744073709551615}"#, r#"{"big":18446744073709551615}"#, &[]);
        check(r#"{"emoji":"\ud83d\ude00 \\ud800"}"#, r#"{"emoji":"\ud83d\ude00 \\ud800"}"#, &[]);
    }

    #[test]
    fn what_readers_refuse_is_mended() {
        use WarningCode::{DuplicateProperty, NumberAsText, TextRepaired};
        check(r#"{"a":123456789012345678901}"#, r#"{"a":"123456789012345678901"}"#, &[NumberAsText]);
        check(r#"{"a":[1e400]}"#, r#"{"a":["1e400"]}"#, &[NumberAsText]);
        check(r#"{"a":"x\ud800y"}"#, r#"{"a":"x\ufffdy"}"#, &[TextRepaired]);
        check(r#"{"a":"\\\ud800"}"#, r#"{"a":"\\\ufffd"}"#, &[TextRepaired]);
        check(r#"{"a":1,"b":2,"a":3}"#, r#"{"a":1,"b":2}"#, &[DuplicateProperty]);
    }

    #[test]
    fn limits_are_named() {
        assert_eq!(refused("[]"), RejectionCode::WrongType);
        let many: Vec<String> = (0..256).map(|i| format!(r#""p{i}":0"#)).collect();
        assert_eq!(refused(&format!("{{{}}}", many.join(","))), RejectionCode::TooManyProperties);
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(8), "]".repeat(8));
        assert_eq!(refused(&deep), RejectionCode::TooDeep);
        assert_eq!(refused(&format!(r#"{{"{}":1}}"#, "x".repeat(129))), RejectionCode::TooLong);
        assert_eq!(refused(r#"{"":1}"#), RejectionCode::InvalidName);
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::hash_map("[a-z]{1,8}", inner, 0..6)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_valid_object_survives_unchanged(value in prop::collection::hash_map("[a-z]{1,8}", json(), 0..8)) {
            let text = serde_json::to_string(&value).unwrap();
            let mut warnings = Vec::new();
            let limits = EventLimits::default();
            if let Ok(kept) = admit(&text, &limits, &mut warnings) {
                prop_assert_eq!(kept.as_ref(), text.as_str());
                prop_assert!(warnings.is_empty());
            }
        }

        #[test]
        fn no_text_breaks_the_scanner(text in r#"[{}\[\]",:\\u0-9a-fA-Fde.+-]{0,64}"#) {
            if let Ok(raw) = serde_json::from_str::<&RawValue>(&text) {
                let _ = admit(raw.get(), &EventLimits::default(), &mut Vec::new());
            }
        }
    }
}
