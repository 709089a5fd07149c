use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use suanpan_event::properties::{Properties, kind_of};
use suanpan_event::{Rejection, RejectionCode, parse_time};

/// The fields of a JSON object, each as its text. `null` and absent are the same.
#[derive(Debug, Default)]
pub(crate) struct Object<'a>(Properties<'a>);

impl<'a> Object<'a> {
    /// Reads an object's text; `field` is what a rejection calls it.
    pub fn read(text: &'a str, field: &'static str) -> Result<Self, Rejection> {
        if !text.starts_with('{') {
            let message = format!("expected an object, not {}", kind_of(text));
            return Err(Rejection::new(RejectionCode::Malformed, field, message).because("object", text));
        }
        Properties::parse(text)
            .map(Self)
            .map_err(|e| Rejection::new(RejectionCode::Malformed, field, e.to_string()))
    }

    /// A field's value.
    pub fn get(&self, field: &str) -> Option<&'a RawValue> {
        self.0.raw().find(|(name, value)| *name == field && value.get() != "null").map(|(_, value)| value)
    }

    /// A short text; whole numbers are taken as their digits, since servers often have numeric ids.
    /// Empty if absent.
    ///
    /// # Errors
    /// `wrong_type`, with `field` as its place.
    pub fn text(&self, field: &str) -> Result<Cow<'a, str>, Rejection> {
        self.get(field).map_or(Ok(Cow::Borrowed("")), |raw| text_of(raw, field))
    }

    /// As [`Self::text`], but empty where the value is no text: for fields that only add something.
    pub fn text_if_any(&self, field: &str) -> Cow<'a, str> {
        self.text(field).unwrap_or_default()
    }
}

/// Hands out the fields of an object that are not null, in the order sent, and keeps none of them:
/// for formats that want each field once. `field` is what a rejection calls the object.
pub(crate) fn each_field<'a>(
    text: &'a str,
    field: &'static str,
    mut take: impl FnMut(&str, &'a RawValue),
) -> Result<(), Rejection> {
    walk(text, field, |name, value| {
        if value.get() != "null" {
            take(name, value);
        }
    })
}

/// As [`each_field`], and leaves out of the object the fields for which `take` says true: gives its
/// text without the closing brace. None if it may stay as it is.
pub(crate) fn each_field_but<'a>(
    text: &'a str,
    field: &'static str,
    mut take: impl FnMut(&str, &'a RawValue) -> bool,
) -> Result<Option<String>, Rejection> {
    let mut kept: Option<String> = None;
    let mut behind_last = 1;
    walk(text, field, |name, value| {
        // The value is a part of the text, so this is its place in it.
        let end = value.get().as_ptr() as usize - text.as_ptr() as usize + value.get().len();
        let is_left_out = value.get() != "null" && take(name, value);
        match &mut kept {
            None if is_left_out => kept = Some(text[..behind_last].to_owned()),
            Some(kept) if !is_left_out => {
                let entry = &text[behind_last..end];
                let is_first = kept.len() == 1;
                kept.push_str(if is_first {
                    entry.trim_start_matches(|c: char| c == ',' || c.is_ascii_whitespace())
                } else {
                    entry
                });
            }
            _ => {}
        }
        behind_last = end;
    })?;
    Ok(kept)
}

fn walk<'a>(
    text: &'a str,
    field: &'static str,
    take: impl FnMut(&str, &'a RawValue),
) -> Result<(), Rejection> {
    if !text.starts_with('{') {
        let message = format!("expected an object, not {}", kind_of(text));
        return Err(Rejection::new(RejectionCode::Malformed, field, message).because("object", text));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_map(Each(take)).and_then(|()| json.end());
    read.map_err(|e| Rejection::new(RejectionCode::Malformed, field, e.to_string()))
}

struct Each<F>(F);

impl<'de, F: FnMut(&str, &'de RawValue)> Visitor<'de> for Each<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<(), M::Error> {
        while let Some(Name(name)) = map.next_key()? {
            (self.0)(&name, map.next_value()?);
        }
        Ok(())
    }
}

/// A name that borrows from the document where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A value as a short text.
pub(crate) fn text_of<'a>(raw: &'a RawValue, field: &str) -> Result<Cow<'a, str>, Rejection> {
    let text = raw.get();
    match text.as_bytes()[0] {
        b'"' if !text.contains('\\') => Ok(Cow::Borrowed(&text[1..text.len() - 1])),
        b'"' => serde_json::from_str::<String>(text)
            .map(Cow::Owned)
            .map_err(|e| Rejection::new(RejectionCode::Malformed, field, e.to_string())),
        b'-' | b'0'..=b'9' if !text.contains(['.', 'e', 'E']) => Ok(Cow::Borrowed(text)),
        _ => {
            let message = format!("{field} must be a text, not {}", kind_of(text));
            Err(Rejection::new(RejectionCode::WrongType, field, message).because("text", text))
        }
    }
}

/// As [`text_of`]; empty where there is no value.
pub(crate) fn optional_text<'a>(raw: Option<&'a RawValue>, field: &str) -> Result<Cow<'a, str>, Rejection> {
    raw.map_or(Ok(Cow::Borrowed("")), |raw| text_of(raw, field))
}

/// As [`optional_text`], but empty where the value is no text: for fields that only add something.
pub(crate) fn text_if_any(raw: Option<&RawValue>) -> Cow<'_, str> {
    optional_text(raw, "").unwrap_or_default()
}

/// As [`instant`]; a text without an offset is UTC, as clients that leave it out mean it.
pub(crate) fn utc_instant(raw: &RawValue) -> Option<i64> {
    instant(raw).or_else(|| {
        let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
        parse_time(&format!("{inner}Z"))
    })
}

/// An instant: RFC 3339 text, or a number of milliseconds since 1970.
pub(crate) fn instant(raw: &RawValue) -> Option<i64> {
    let text = raw.get();
    match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        Some(inner) => parse_time(inner),
        None => text.parse::<i64>().ok(),
    }
}

/// A number of milliseconds since 1970, perhaps with a fraction, perhaps as a text.
pub(crate) fn milliseconds(raw: &RawValue) -> Option<i64> {
    let text = raw.get().trim_matches('"');
    text.parse().ok().or_else(|| whole(text.parse().ok()?))
}

/// The same, or seconds: what is too small for milliseconds after March 1973 is seconds.
pub(crate) fn seconds_or_milliseconds(raw: &RawValue) -> Option<i64> {
    const SECONDS_BELOW: f64 = 1e11;
    let number: f64 = raw.get().trim_matches('"').parse().ok()?;
    if number.abs() < SECONDS_BELOW { whole(number * 1000.0) } else { milliseconds(raw) }
}

#[allow(clippy::cast_possible_truncation)] // Within the bounds asked for.
fn whole(ms: f64) -> Option<i64> {
    (ms.abs() < 9e15).then(|| ms.floor() as i64)
}

/// A JSON object in the making, from the texts of its values. A name given again is left to
/// [`suanpan_event::properties::admit`], which keeps the first.
#[derive(Debug)]
pub(crate) struct ObjectWriter(String);

impl ObjectWriter {
    /// An empty object with room for this many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut text = String::with_capacity(bytes + 2);
        text.push('{');
        Self(text)
    }

    /// Adds a field whose value is JSON already.
    pub fn raw(&mut self, name: &str, value: &RawValue) {
        self.name(name);
        self.0.push_str(value.get());
    }

    /// Adds a copy of another field, if there is one that says something.
    pub fn copy(&mut self, name: &str, value: Option<&RawValue>) {
        if let Some(value) = value
            && !matches!(value.get(), "\"\"" | "{}" | "[]")
        {
            self.raw(name, value);
        }
    }

    /// Adds a field whose value is this JSON text, which must be valid.
    pub fn json(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.push_str(value);
    }

    /// Adds an object in the making.
    pub fn object(&mut self, name: &str, inner: &Self) {
        self.name(name);
        self.0.push_str(&inner.0);
        self.0.push('}');
    }

    /// Adds a text, unless it is empty.
    pub fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.name(name);
            push_quoted(&mut self.0, value);
        }
    }

    /// Adds all fields of another object.
    pub fn all(&mut self, object: &RawValue) {
        let inner = object.get().trim().strip_prefix('{').and_then(|t| t.strip_suffix('}'));
        let inner = inner.unwrap_or("").trim();
        if !inner.is_empty() {
            self.comma();
            self.0.push_str(inner);
        }
    }

    /// Whether it has no field so far.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    /// An object's fields with these behind them; the object itself if there are none. `kept` is
    /// what [`each_field_but`] left of it.
    pub fn behind<'a>(
        self,
        object: &'a RawValue,
        kept: Option<String>,
    ) -> Result<Cow<'a, RawValue>, Rejection> {
        if self.is_empty() && kept.is_none() {
            return Ok(Cow::Borrowed(object));
        }
        let whole = match kept {
            Some(kept) => Self(kept),
            None => {
                let mut whole = Self::with_capacity(object.get().len() + self.0.len());
                whole.all(object);
                whole
            }
        };
        whole.and(&self).finish()
    }

    /// These fields and then those.
    pub fn and(mut self, more: &Self) -> Self {
        if !more.is_empty() {
            self.comma();
            self.0.push_str(&more.0[1..]);
        }
        self
    }

    /// The object. Fails only if a value given to [`Self::json`] was no JSON.
    pub fn finish(mut self) -> Result<Cow<'static, RawValue>, Rejection> {
        self.0.push('}');
        RawValue::from_string(self.0)
            .map(Cow::Owned)
            .map_err(|e| Rejection::new(RejectionCode::Malformed, "properties", e.to_string()))
    }

    fn name(&mut self, name: &str) {
        self.comma();
        push_quoted(&mut self.0, name);
        self.0.push(':');
    }

    fn comma(&mut self) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
    }
}

fn push_quoted(out: &mut String, text: &str) {
    let plain = |b: u8| b >= 0x20 && b != b'"' && b != b'\\';
    if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::to_string(text).expect("a text is always JSON"));
    }
}
