use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::{AttributeType, parse_time};

/// Where an event or an attribute of a tracking plan stands in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanStatus {
    /// Planned, and not finished: it may be reported already.
    Draft,
    /// In use.
    #[default]
    Live,
    /// No longer to be reported.
    Retired,
}

impl PlanStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Draft, Self::Live, Self::Retired];

    /// The word for it in plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Live => "live",
            Self::Retired => "retired",
        }
    }
}

/// What becomes of an attribute's values before they are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Personal {
    /// They are stored as they are.
    #[default]
    Keep,
    /// A pseudonym stands for each: equal values have equal ones, so that they can be counted.
    Mask,
    /// They are not stored.
    Drop,
}

impl Personal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Keep, Self::Mask, Self::Drop];

    /// The word for it in plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Mask => "mask",
            Self::Drop => "drop",
        }
    }
}

/// A value that a plan states: of its list of allowed values, or an end of a range.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PlanValue {
    /// A number; for a datetime, milliseconds since 1970.
    Number(Number),
    /// A text; for a datetime, RFC 3339 with an offset.
    Text(String),
}

impl PlanValue {
    /// The value as a number of an attribute of this type.
    pub(crate) fn number(&self, kind: AttributeType) -> Option<f64> {
        match (self, kind) {
            (Self::Number(number), _) => number.as_f64().filter(|n| n.is_finite()),
            // Instants are within ±2^53 milliseconds, so the conversion is exact.
            (Self::Text(text), AttributeType::Datetime) => parse_time(text).map(|ms| ms as f64),
            (Self::Text(_), _) => None,
        }
    }
}

/// What a tracking plan says of an attribute beside its name, type and title.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttributeTerms {
    /// What it means and when it is sent.
    pub description: String,
    /// Where it stands in its life.
    pub status: PlanStatus,
    /// What becomes of its values.
    pub personal: Personal,
    /// It may stand in every event, not only in those that list it.
    pub common: bool,
    /// A text that takes many different values (an order number, a URL): it is stored better in a
    /// text slot than in a category slot. Matters only when a slot is given.
    pub many_values: bool,
    /// The values it may have; empty if any. Of a list, the values of its elements.
    pub allowed: Vec<PlanValue>,
    /// The least number or the earliest instant.
    pub min: Option<PlanValue>,
    /// The greatest number or the latest instant.
    pub max: Option<PlanValue>,
    /// A regular expression found somewhere in the text; `^` and `$` bind it to the ends. Of a
    /// list, in each element.
    pub pattern: Option<String>,
}

/// Terms that can't be: the field, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct TermsFault {
    /// A field of [`AttributeTerms`].
    pub field: &'static str,
    /// What was expected and what was found.
    pub message: String,
}

/// Bytes that a compiled pattern may take, and the states it caches while it runs.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

impl AttributeTerms {
    /// Whether the terms make sense for an attribute of this type.
    ///
    /// # Errors
    /// The fault names the first field that does not.
    pub fn check(&self, kind: AttributeType) -> Result<(), TermsFault> {
        use AttributeType::{Datetime, Number, String, StringList};
        let fault = |field, message: std::string::String| Err(TermsFault { field, message });
        let name = kind.name();
        if self.personal == Personal::Mask && !matches!(kind, String | StringList) {
            return fault(
                "personal",
                format!("a pseudonym is a text, so a {name} can't be masked, only dropped"),
            );
        }
        if !self.allowed.is_empty() {
            let fits = |value: &PlanValue| match (kind, value) {
                (String | StringList, PlanValue::Text(text)) => !text.is_empty(),
                (Number, PlanValue::Number(_)) => value.number(kind).is_some(),
                _ => false,
            };
            if !matches!(kind, String | StringList | Number) {
                return fault("allowed", format!("a {name} has no list of allowed values"));
            }
            if let Some(wrong) = self.allowed.iter().find(|value| !fits(value)) {
                return fault("allowed", format!("{} is no value of a {name}", shown(wrong)));
            }
        }
        for (field, end) in [("min", &self.min), ("max", &self.max)] {
            let Some(end) = end else { continue };
            if !matches!(kind, Number | Datetime) {
                return fault(field, format!("a {name} has no range"));
            }
            if end.number(kind).is_none() {
                return fault(field, format!("{} is no {name}", shown(end)));
            }
        }
        if let (Some(min), Some(max)) = (&self.min, &self.max)
            && min.number(kind) > max.number(kind)
        {
            return fault("max", format!("{} is less than min, {}", shown(max), shown(min)));
        }
        if let Some(pattern) = &self.pattern {
            if !matches!(kind, String | StringList) {
                return fault("pattern", format!("a {name} has no pattern"));
            }
            if let Err(message) = compiled(pattern) {
                return fault("pattern", message);
            }
        }
        Ok(())
    }
}

fn shown(value: &PlanValue) -> String {
    match value {
        PlanValue::Number(number) => number.to_string(),
        PlanValue::Text(text) => format!("{:?}", crate::excerpt(text)),
    }
}

/// A pattern ready to be used, or why it can't be.
pub(crate) fn compiled(pattern: &str) -> Result<Regex, String> {
    let built =
        RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(max) => {
            format!("the pattern needs more than {max} bytes; make it simpler")
        }
        // The parser's last line is the reason; those before it draw the place.
        other => {
            let text = other.to_string();
            let reason = text.lines().last().unwrap_or_default();
            format!("no regular expression: {}", reason.strip_prefix("error: ").unwrap_or(reason))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(json: &str) -> AttributeTerms {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn terms_must_fit_the_type() {
        use AttributeType::{Boolean, Datetime, Number, String, StringList};
        let check = |kind: AttributeType, json: &str, expected: Option<&str>| {
            let fault = terms(json).check(kind).err();
            assert_eq!(fault.as_ref().map(|f| f.field), expected, "{} {json}: {fault:?}", kind.name());
        };
        check(String, r#"{"allowed":["a","b"],"pattern":"^[a-z]+$","personal":"mask"}"#, None);
        check(StringList, r#"{"allowed":["a"],"personal":"mask"}"#, None);
        check(Number, r#"{"allowed":[1,2.5],"min":-1,"max":10,"personal":"drop"}"#, None);
        check(Datetime, r#"{"min":"2024-01-01T00:00:00Z","max":4000000000000}"#, None);
        check(Boolean, r#"{"description":"yes or no","status":"retired","common":true}"#, None);
        check(Number, r#"{"personal":"mask"}"#, Some("personal"));
        check(Number, r#"{"allowed":["1"]}"#, Some("allowed"));
        check(String, r#"{"allowed":[1]}"#, Some("allowed"));
        check(String, r#"{"allowed":[""]}"#, Some("allowed"));
        check(Boolean, r#"{"allowed":[1]}"#, Some("allowed"));
        check(String, r#"{"min":1}"#, Some("min"));
        check(Number, r#"{"max":"10"}"#, Some("max"));
        check(Number, r#"{"min":2,"max":1}"#, Some("max"));
        check(Datetime, r#"{"min":"2024-01-01"}"#, Some("min"));
        check(Number, r#"{"pattern":"1"}"#, Some("pattern"));
        check(String, r#"{"pattern":"("}"#, Some("pattern"));
        check(String, r#"{"pattern":"(a)\\1"}"#, Some("pattern"));
        check(String, r#"{"pattern":"(\\w{200}){200}"}"#, Some("pattern"));
    }

    #[test]
    fn terms_read_back_as_written() {
        let json = r#"{"description":"d","status":"draft","personal":"mask","common":true,"many_values":true,"allowed":["a",1,1.5],"min":1,"max":"2024-01-01T00:00:00Z","pattern":"^a"}"#;
        assert_eq!(serde_json::to_string(&terms(json)).unwrap(), json);
        assert_eq!(terms("{}"), AttributeTerms::default());
    }
}
