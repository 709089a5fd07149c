//! A rule's JSON text as a tree that remembers where it is, so that every error can say so.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use crate::error::{ErrorCode, Report};
use crate::nearest::nearest;

/// A JSON value. Unlike `serde_json::Value` it keeps a name that comes twice, which in a rule is
/// a mistake worth telling.
#[derive(Debug, Clone)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Json::Object(object))
    }
}

/// A value and the path that leads to it.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    pub(crate) json: &'a Json,
    pub(crate) path: String,
}

impl<'a> Node<'a> {
    pub(crate) fn root(json: &'a Json) -> Self {
        Self { json, path: String::new() }
    }

    /// Reports that the value is not what is expected here.
    pub(crate) fn mismatch<T>(&self, expected: &str, report: &mut Report) -> Option<T> {
        let found = match self.json {
            Json::Text(text) => format!("the text {text:?}"),
            other => other.kind().to_owned(),
        };
        report.add(ErrorCode::WrongType, &self.path, format!("expected {expected}, found {found}"));
        None
    }

    /// The fields of an object. Reports fields that are not known here and fields given twice.
    pub(crate) fn fields(&self, known: &[&str], report: &mut Report) -> Option<Fields<'a>> {
        let Json::Object(entries) = self.json else { return self.mismatch("an object", report) };
        let fields = Fields { entries, path: self.path.clone() };
        for (at, (name, _)) in entries.iter().enumerate() {
            let path = fields.path_of(name);
            if !known.contains(&name.as_str()) {
                let near = nearest(name, known.iter().copied());
                let message = format!("unknown field; possible here: {}", known.join(", "));
                report.add_near(ErrorCode::FieldUnknown, path, message, near);
            } else if entries[..at].iter().any(|(earlier, _)| earlier == name) {
                report.add(ErrorCode::Duplicate, path, "the field is given twice");
            }
        }
        Some(fields)
    }

    /// The items of a list.
    pub(crate) fn items(&self, expected: &str, report: &mut Report) -> Option<Vec<Node<'a>>> {
        let Json::List(items) = self.json else { return self.mismatch(expected, report) };
        let node = |(at, json)| Node { json, path: format!("{}[{at}]", self.path) };
        Some(items.iter().enumerate().map(node).collect())
    }

    /// The items of a list, or the value itself as the only one.
    pub(crate) fn one_or_many(&self, expected: &str, report: &mut Report) -> Option<Vec<Node<'a>>> {
        match self.json {
            Json::List(_) => self.items(expected, report),
            _ => Some(vec![self.clone()]),
        }
    }

    /// A text that is not empty and has at most `max` characters.
    pub(crate) fn text(&self, what: &str, limit: (&str, usize), report: &mut Report) -> Option<String> {
        let Json::Text(text) = self.json else { return self.mismatch(what, report) };
        let chars = text.chars().count();
        if chars > limit.1 {
            report.over(&self.path, format!("{chars} characters"), limit);
            return None;
        }
        if text.is_empty() {
            report.add(ErrorCode::ValueInvalid, &self.path, format!("expected {what}, found an empty text"));
            return None;
        }
        Some(text.clone())
    }

    /// A whole number from 1.
    pub(crate) fn count(&self, report: &mut Report) -> Option<u32> {
        let number = match self.json {
            Json::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0),
            _ => return self.mismatch("a whole number from 1", report),
        };
        if number.is_none() {
            let message = format!("expected a whole number from 1 to {}", u32::MAX);
            report.add(ErrorCode::ValueInvalid, &self.path, message);
        }
        number
    }

    /// One of the words of a closed list; `words` are all accepted spellings, the first of each
    /// meaning being the canonical one.
    pub(crate) fn word<T: Copy>(&self, words: &[(&str, T)], report: &mut Report) -> Option<T> {
        let Json::Text(text) = self.json else { return self.mismatch("a text", report) };
        let found = words.iter().find(|(word, _)| word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let known = || words.iter().map(|(word, _)| *word);
            let list = known().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
            let message = format!("{text:?} is none of {list}");
            report.add_near(ErrorCode::NameUnknown, &self.path, message, nearest(text, known()));
        }
        found
    }
}

/// The fields of one object.
pub(crate) struct Fields<'a> {
    entries: &'a [(String, Json)],
    pub(crate) path: String,
}

impl<'a> Fields<'a> {
    /// The path of a field, present or not.
    pub(crate) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A field, if it is present. Null is the same as absent.
    pub(crate) fn get(&self, name: &str) -> Option<Node<'a>> {
        let (_, json) = self.entries.iter().find(|(entry, _)| entry == name)?;
        (!matches!(json, Json::Null)).then(|| Node { json, path: self.path_of(name) })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A field; reports if it is missing.
    pub(crate) fn need(&self, name: &str, what: &str, report: &mut Report) -> Option<Node<'a>> {
        let node = self.get(name);
        if node.is_none() {
            let message = format!("missing: {what}");
            report.add(ErrorCode::FieldMissing, self.path_of(name), message);
        }
        node
    }
}
