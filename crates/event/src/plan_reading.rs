//! A property's value as a tracking plan reads it: as of the attribute's type, and if it is of
//! another one, converted where that loses nothing.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{AttributeType, Scalar, coerce, properties};

/// What a value is to an attribute.
#[derive(Debug, PartialEq)]
pub(crate) enum Reading<'a> {
    /// Null, an empty text or an empty list: as if it were absent.
    NotSet,
    /// Of the attribute's type.
    Fits(Value<'a>),
    /// Of another type, with the JSON text that is put in its place.
    Converted(Value<'a>, String),
    /// Of a type that can't be converted.
    Wrong,
}

/// A value of an attribute's type.
#[derive(Debug, PartialEq)]
pub(crate) enum Value<'a> {
    One(Scalar<'a>),
    Many(Vec<Cow<'a, str>>),
}

/// Reads a value's JSON text, as [`properties::admit`] leaves it.
///
/// Where [`coerce`] gives a value of the text, it gives the same of its conversion. Where it gives
/// none, a conversion gives one only for the texts `"true"` and `"false"` of a boolean.
pub(crate) fn read(raw: &str, kind: AttributeType) -> Reading<'_> {
    if raw == "null" || raw == "\"\"" {
        return Reading::NotSet;
    }
    if kind == AttributeType::StringList {
        return read_list(raw);
    }
    if kind == AttributeType::Boolean && matches!(raw, "\"true\"" | "\"false\"") {
        let inner = &raw[1..raw.len() - 1];
        let value = Scalar::Number(if inner == "true" { 1.0 } else { 0.0 });
        return Reading::Converted(Value::One(value), inner.to_owned());
    }
    let Some(value) = coerce(raw, kind) else { return Reading::Wrong };
    match replacement(raw, kind, &value) {
        Some(text) => Reading::Converted(Value::One(value), text),
        None => Reading::Fits(Value::One(value)),
    }
}

/// The JSON text of the attribute's own type that means the same as `raw`; none if it has that type
/// already, or if only a text can hold it (a number beyond 64 bits).
fn replacement(raw: &str, kind: AttributeType, value: &Scalar<'_>) -> Option<String> {
    let is_text = raw.starts_with('"');
    let is_boolean = raw.starts_with(['t', 'f']);
    match (kind, value) {
        (AttributeType::String, Scalar::Text(text)) if !is_text => Some(json_text(text)),
        (AttributeType::Number, _) if is_boolean => Some(if raw == "true" { "1" } else { "0" }.to_owned()),
        (AttributeType::Number, Scalar::Number(_)) if is_text => {
            let inner = &raw[1..raw.len() - 1];
            properties::is_readable_number(inner).then(|| inner.to_owned())
        }
        _ => None,
    }
}

fn read_list(raw: &str) -> Reading<'_> {
    if !raw.starts_with('[') {
        // One value where a list is expected is a list of one.
        return match coerce(raw, AttributeType::String) {
            Some(Scalar::Text(text)) => {
                let replacement = format!("[{}]", json_text(&text));
                Reading::Converted(Value::Many(vec![text]), replacement)
            }
            _ => Reading::Wrong,
        };
    }
    let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(raw) else { return Reading::Wrong };
    if elements.is_empty() {
        return Reading::NotSet;
    }
    let mut texts = Vec::with_capacity(elements.len());
    let mut is_converted = false;
    for element in elements {
        let element = element.get();
        is_converted |= !element.starts_with('"');
        match coerce(element, AttributeType::String) {
            Some(Scalar::Text(text)) => texts.push(text),
            _ if element == "\"\"" => texts.push(Cow::Borrowed("")),
            _ => return Reading::Wrong,
        }
    }
    if !is_converted {
        return Reading::Fits(Value::Many(texts));
    }
    let replacement = json_list(&texts);
    Reading::Converted(Value::Many(texts), replacement)
}

pub(crate) fn json_text(text: &str) -> String {
    serde_json::to_string(text).expect("text is always JSON")
}

pub(crate) fn json_list(texts: &[impl AsRef<str>]) -> String {
    let inner: Vec<String> = texts.iter().map(|text| json_text(text.as_ref())).collect();
    format!("[{}]", inner.join(","))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_converted_as_the_table_says() {
        use AttributeType::{Boolean, Datetime, Number, String, StringList};
        // What is put in place of the value; "=" if it stays, "" if not set, "!" if it is wrong.
        let check = |kind: AttributeType, raw: &str, expected: &str| {
            let found = match read(raw, kind) {
                Reading::NotSet => "".to_owned(),
                Reading::Fits(_) => "=".to_owned(),
                Reading::Converted(_, text) => text,
                Reading::Wrong => "!".to_owned(),
            };
            assert_eq!(found, expected, "{raw} as {}", kind.name());
        };
        for kind in AttributeType::ALL {
            check(kind, "null", "");
            check(kind, r#""""#, "");
            check(kind, "{}", "!");
        }
        check(String, r#""12""#, "=");
        check(String, "12", r#""12""#);
        check(String, "1.50", r#""1.5""#);
        check(String, "true", r#""true""#);
        check(String, "[]", "!");
        check(Number, "12", "=");
        check(Number, r#""12""#, "12");
        check(Number, r#""12.50""#, "12.50");
        check(Number, r#""9007199254740993""#, "9007199254740993");
        check(Number, r#""123456789012345678901234567890""#, "=");
        check(Number, r#""+5""#, "=");
        check(Number, r#""007""#, "=");
        check(Number, "true", "1");
        check(Number, r#""twelve""#, "!");
        check(Boolean, "true", "=");
        check(Boolean, r#""false""#, "false");
        check(Boolean, "1", "!");
        check(Boolean, r#""yes""#, "!");
        check(Datetime, r#""2024-03-01T00:00:00Z""#, "=");
        check(Datetime, "1709251200000", "=");
        check(Datetime, r#""2024-03-01 00:00:00""#, "!");
        check(Datetime, "true", "!");
        check(StringList, r#"["a",""]"#, "=");
        check(StringList, r#"["a", 1, true]"#, r#"["a","1","true"]"#);
        check(StringList, r#""a""#, r#"["a"]"#);
        check(StringList, "7", r#"["7"]"#);
        check(StringList, "[]", "");
        check(StringList, "[null]", "!");
        check(StringList, r#"[["a"]]"#, "!");
    }

    fn value() -> impl Strategy<Value = String> {
        let number = prop_oneof![
            any::<i64>().prop_map(|n| n.to_string()),
            any::<f64>()
                .prop_filter("JSON", |n| n.is_finite())
                .prop_map(|n| serde_json::to_string(&n).unwrap()),
            "[+-]?[0-9]{1,25}([.][0-9]{0,4})?(e[0-9]{1,3})?",
        ];
        let text = prop_oneof![number.clone(), ".{0,8}", Just("true".to_owned())];
        prop_oneof![
            text.prop_map(|t| json_text(&t)),
            number.prop_filter("JSON", |n| serde_json::from_str::<&RawValue>(n).is_ok()),
            prop::sample::select(vec!["true", "false", "null", "{}", "[]", "[1]"]).prop_map(str::to_owned),
        ]
    }

    proptest! {
        #[test]
        fn a_conversion_never_changes_a_value(raw in value(), kind in prop::sample::select(&AttributeType::ALL[..4])) {
            // As it arrives here: numbers beyond 64 bits are texts already.
            let object = format!("{{\"x\":{raw}}}");
            let limits = crate::EventLimits::default();
            let admitted = properties::admit(&object, &limits, &mut Vec::new()).unwrap();
            let raw = &admitted[5..admitted.len() - 1];
            let before = coerce(raw, kind);
            match read(raw, kind) {
                Reading::Converted(_, text) => {
                    let after = coerce(&text, kind);
                    prop_assert!(after.is_some());
                    prop_assert!(before.is_none() && kind == AttributeType::Boolean || before == after);
                    prop_assert!(matches!(read(&text, kind), Reading::Fits(_)), "nothing is left to convert");
                    let object = format!("{{\"x\":{text}}}");
                    let again = properties::admit(&object, &limits, &mut Vec::new()).unwrap();
                    prop_assert_eq!(again.as_ref(), object.as_str(), "readers downstream can read it");
                }
                Reading::Fits(_) => prop_assert!(before.is_some()),
                Reading::NotSet | Reading::Wrong => prop_assert!(before.is_none()),
            }
        }
    }
}
