use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an accepted event ended. Every accepted event ends in exactly one, so that
/// accepted = stored + duplicate + rejected + lost, always. Also the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A row in the events table.
    Stored,
    /// Reported before under the same id; counted once.
    Duplicate,
    /// Refused after acceptance: its log record is intact, but no event.
    Rejected,
    /// Its log record was damaged on disk beyond reading. Always loud.
    Lost,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 4] = [Self::Stored, Self::Duplicate, Self::Rejected, Self::Lost];

    /// The outcome's name in metrics, the ledger and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Rejected => "rejected",
            Self::Lost => "lost",
        }
    }
}

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as it stands in replies, metrics and documents.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.name())
            }
        }
    };
}

codes! {
    /// Why the gateway refused an event.
    RejectionCode {
        /// The event is no JSON object, or its JSON is wrong inside.
        Malformed = "malformed",
        /// The event's text is larger than `event_bytes_max`.
        EventTooLarge = "event_too_large",
        /// A field has a value of the wrong type.
        WrongType = "wrong_type",
        /// A field that every event needs is missing or empty.
        Missing = "missing",
        /// Neither `user_id` nor `device_id` says whose event it is.
        IdentityMissing = "identity_missing",
        /// A name or id is longer than its limit.
        TooLong = "too_long",
        /// A name holds control characters.
        InvalidName = "invalid_name",
        /// The time is no RFC 3339 text and no number of milliseconds.
        TimeInvalid = "time_invalid",
        /// The event is older than `late_days_max` and its key may not report old events.
        TimeTooOld = "time_too_old",
        /// The event's time lies further ahead than `future_minutes_max`.
        TimeInFuture = "time_in_future",
        /// There are more properties than `properties_max`.
        TooManyProperties = "too_many_properties",
        /// The properties are nested deeper than `depth_max`.
        TooDeep = "too_deep",
    }
}

codes! {
    /// What was odd about an event that was accepted all the same.
    WarningCode {
        /// A top-level field that the format does not know was ignored.
        UnknownField = "unknown_field",
        /// A property was given twice; the first value was kept.
        DuplicateProperty = "duplicate_property",
        /// A number beyond 64 bits was kept as text, digit for digit.
        NumberAsText = "number_as_text",
        /// Half a surrogate pair was replaced by U+FFFD.
        TextRepaired = "text_repaired",
        /// The client's clock is wrong; the time was corrected and the original kept.
        ClockCorrected = "clock_corrected",
    }
}

/// A refused event: the code, the field it is about (a path such as `properties.price`), and a
/// sentence for the developer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// Why.
    pub code: RejectionCode,
    /// Where in the event; empty for the event as a whole.
    pub field: String,
    /// What was expected and what was found.
    pub message: String,
}

impl Rejection {
    /// A rejection of one field.
    pub fn new(code: RejectionCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, field: field.into(), message: message.into() }
    }
}

/// Something odd about an accepted event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What.
    pub code: WarningCode,
    /// Where in the event.
    pub field: String,
    /// What was found and what was done.
    pub message: String,
}

/// Warnings told about one event; one that is odd in a thousand places is told about the first.
pub const WARNINGS_MAX: usize = 8;

impl Warning {
    /// Adds a warning, unless there are [`WARNINGS_MAX`] already. The text is made only if needed.
    pub fn add(warnings: &mut Vec<Self>, make: impl FnOnce() -> Self) {
        if warnings.len() < WARNINGS_MAX {
            warnings.push(make());
        }
    }

    /// A warning about one field.
    pub fn new(code: WarningCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, field: field.into(), message: message.into() }
    }
}
