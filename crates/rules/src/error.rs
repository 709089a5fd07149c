use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What is wrong with a rule. A closed list: clients may match on the names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $variant,)* }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as it stands in replies and documents.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

codes! {
    /// The text is no JSON; the message has line and column.
    JsonInvalid = "json_invalid",
    /// The rule is of a version this build does not know.
    VersionUnknown = "version_unknown",
    /// A field that rules do not have.
    FieldUnknown = "field_unknown",
    /// A field that is needed here is missing.
    FieldMissing = "field_missing",
    /// A field that has no meaning beside the others.
    FieldNotAllowed = "field_not_allowed",
    /// A JSON value of another type than expected.
    WrongType = "wrong_type",
    /// A word that is none of those possible here: a measure, an operator, a unit.
    NameUnknown = "name_unknown",
    /// The same name twice.
    Duplicate = "duplicate",
    /// An attribute that is neither built in nor in the tracking plan, without a stated type.
    AttributeUnknown = "attribute_unknown",
    /// The attribute's type does not allow this: the measure, the operator, the stated type.
    TypeMismatch = "type_mismatch",
    /// A value that the attribute can't have, or that is out of its bounds.
    ValueInvalid = "value_invalid",
    /// A regular expression that the engine would refuse or read otherwise.
    RegexInvalid = "regex_invalid",
    /// The range is empty or lies outside of what can be stored.
    RangeInvalid = "range_invalid",
    /// More than a limit allows; the message names the limit and its value.
    LimitExceeded = "limit_exceeded",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One thing that is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleError {
    /// What kind of thing.
    pub code: ErrorCode,
    /// Where in the rule, such as `measures[1].filter.and[0].attribute`; empty for the whole rule.
    pub path: String,
    /// What was expected and what was found, as a sentence for the rule's author.
    pub message: String,
    /// The nearest known name, where a name was not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(name) => write!(f, "; did you mean {name:?}?"),
            None => Ok(()),
        }
    }
}

/// Everything that was found wrong with a rule, in the rule's order; never empty, and at most
/// [`crate::RuleLimits::errors_max`] long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
#[error("{}", .errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct RuleErrors {
    /// The errors.
    pub errors: Vec<RuleError>,
}

/// Collects errors while a rule is read.
pub(crate) struct Report {
    errors: Vec<RuleError>,
    errors_max: usize,
}

impl Report {
    pub(crate) fn new(errors_max: usize) -> Self {
        Self { errors: Vec::new(), errors_max: errors_max.max(1) }
    }

    pub(crate) fn add(&mut self, code: ErrorCode, path: impl Into<String>, message: impl Into<String>) {
        self.add_near(code, path, message, None);
    }

    pub(crate) fn add_near(
        &mut self,
        code: ErrorCode,
        path: impl Into<String>,
        message: impl Into<String>,
        near: Option<&str>,
    ) {
        if self.errors.len() < self.errors_max {
            let suggestion = near.map(str::to_owned);
            self.errors.push(RuleError { code, path: path.into(), message: message.into(), suggestion });
        }
    }

    /// Reports that there is more of something than a limit allows.
    pub(crate) fn over(&mut self, path: impl Into<String>, found: impl fmt::Display, limit: (&str, usize)) {
        let (name, max) = limit;
        self.add(ErrorCode::LimitExceeded, path, format!("{found}; the limit {name} is {max}"));
    }

    /// The value if nothing was reported, else the errors.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, RuleErrors> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(RuleErrors { errors: self.errors }),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }
}
