use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a received event ended. Every one ends in exactly one, so that
/// received = accepted + refused and accepted = stored + duplicate + rejected + lost, always.
/// Also the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A row in the events table.
    Stored,
    /// Reported before under the same id; counted once.
    Duplicate,
    /// Refused after acceptance: its log record is intact, but no event; or ClickHouse refused its row, and
    /// the event is kept in the dead letter.
    Rejected,
    /// Refused by the gateway, which said so in its reply; kept in the dead letter.
    Refused,
    /// Its log record was damaged on disk beyond reading. Always loud.
    Lost,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 5] = [Self::Stored, Self::Duplicate, Self::Rejected, Self::Refused, Self::Lost];

    /// The outcome's name in metrics, the ledger and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Rejected => "rejected",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[doc = $meaning:literal])* $variant:ident = $text:literal, $hint:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[doc = $meaning])* $variant,)* }

        impl $name {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as it stands in replies, metrics and documents.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($meaning),*).trim_ascii_start(),)* }
            }

            /// What a developer can do about it, in a sentence.
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)* }
            }

            /// The code of this name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.name() == name)
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
    /// Why an event was refused.
    RejectionCode {
        /// The event is no JSON object, or its JSON is wrong inside.
        Malformed = "malformed", "send each event as one valid JSON object";
        /// The event's text is larger than `event_bytes_max`.
        EventTooLarge = "event_too_large", "send less in one event, or raise gateway.event_bytes_max";
        /// A field has a value of the wrong type.
        WrongType = "wrong_type", "send the type expected, or change the type in the tracking plan";
        /// A field that every event needs is missing or empty.
        Missing = "missing", "every event needs a name";
        /// Neither `user_id` nor `device_id` says whose event it is.
        IdentityMissing = "identity_missing", "send the id of the user or of the device";
        /// A name or id is longer than its limit.
        TooLong = "too_long", "names and ids are short; a long text belongs into a property";
        /// A name holds control characters.
        InvalidName = "invalid_name", "take control characters out of names and ids";
        /// The time is no RFC 3339 text and no number of milliseconds.
        TimeInvalid = "time_invalid", "send RFC 3339 with an offset, or milliseconds since 1970";
        /// The event is older than `late_days_max` and its key may not report old events.
        TimeTooOld = "time_too_old", "import history with a key made with --may-report-old";
        /// The event's time lies further ahead than `future_minutes_max`.
        TimeInFuture = "time_in_future", "set the client's clock, or send sent_at so that it can be corrected";
        /// There are more properties than `properties_max`.
        TooManyProperties = "too_many_properties", "send fewer properties, or put lists into arrays";
        /// The properties are nested deeper than `depth_max`.
        TooDeep = "too_deep", "flatten the properties";
        /// The tracking plan is enforced and has no such event.
        UnplannedEvent = "unplanned_event", "add the event to the tracking plan, or mend its name";
        /// The tracking plan is enforced and the event has no such attribute.
        UnplannedAttribute = "unplanned_attribute", "add the attribute to the tracking plan, or mend its name";
        /// An attribute that the plan requires is missing.
        AttributeMissing = "attribute_missing", "send the attribute, or make it optional in the tracking plan";
        /// The value is not among those that the plan lists.
        NotListed = "not_listed", "send a value of the list, or add this one to the tracking plan";
        /// The number or time lies outside the plan's range.
        OutOfRange = "out_of_range", "send a value within the range, or widen it in the tracking plan";
        /// The text does not match the plan's pattern.
        PatternMismatch = "pattern_mismatch", "send a text that matches, or change the pattern in the tracking plan";
        /// The plan says that the event or attribute is no longer in use.
        Retired = "retired", "stop sending it, or make it live again in the tracking plan";
        /// The event was accepted, and then ClickHouse refused its row; the message has its words.
        StoreRefused = "store_refused", "mend what the message names, then replay the event from the dead letter";
    }
}

codes! {
    /// What was odd about an event that was accepted all the same.
    WarningCode {
        /// A top-level field that the format does not know was ignored.
        UnknownField = "unknown_field", "fields of your own go into properties";
        /// A property was given twice; the first value was kept.
        DuplicateProperty = "duplicate_property", "send each name once";
        /// A number beyond 64 bits was kept as text, digit for digit.
        NumberAsText = "number_as_text", "send numbers beyond 64 bits as text";
        /// Half a surrogate pair was replaced by U+FFFD.
        TextRepaired = "text_repaired", "cut texts between characters, not inside one";
        /// The client's clock is wrong; the time was corrected and the original kept.
        ClockCorrected = "clock_corrected", "set the client's clock";
        /// A value of another type was converted without loss, as the tracking plan wants it.
        TypeConverted = "type_converted", "send the type that the tracking plan has";
        /// A value has a type that can't be converted; it was kept as it is.
        WrongType = "wrong_type", "send the type expected, or change the type in the tracking plan";
        /// The tracking plan has no such event.
        UnplannedEvent = "unplanned_event", "add the event to the tracking plan, or mend its name";
        /// The tracking plan has no such attribute of the event.
        UnplannedAttribute = "unplanned_attribute", "add the attribute to the tracking plan, or mend its name";
        /// An attribute that the plan requires is missing.
        AttributeMissing = "attribute_missing", "send the attribute, or make it optional in the tracking plan";
        /// The value is not among those that the plan lists.
        NotListed = "not_listed", "send a value of the list, or add this one to the tracking plan";
        /// The number or time lies outside the plan's range.
        OutOfRange = "out_of_range", "send a value within the range, or widen it in the tracking plan";
        /// The text does not match the plan's pattern.
        PatternMismatch = "pattern_mismatch", "send a text that matches, or change the pattern in the tracking plan";
        /// The plan says that the event or attribute is no longer in use.
        Retired = "retired", "stop sending it, or make it live again in the tracking plan";
        /// A value was masked or dropped because the plan marks it as personal.
        PersonalData = "personal_data", "nothing to do: the tracking plan asks for it";
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
    /// What the field should have been; empty where the message says all.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub expected: Cow<'static, str>,
    /// What was found, cut to [`EXCERPT_CHARS`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub got: String,
}

impl Rejection {
    /// A rejection of one field.
    pub fn new(code: RejectionCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        let (expected, got) = Default::default();
        Self { code, field: field.into(), message: message.into(), expected, got }
    }

    /// Says what was expected, and what was found instead.
    #[must_use]
    pub fn because(mut self, expected: impl Into<Cow<'static, str>>, got: &str) -> Self {
        self.expected = expected.into();
        self.got = excerpt(got);
        self
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
    /// What the field should have been; empty where the message says all.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub expected: Cow<'static, str>,
    /// What was found, cut to [`EXCERPT_CHARS`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub got: String,
}

/// Warnings told about one event; one that is odd in a thousand places is told about the first.
pub const WARNINGS_MAX: usize = 8;

/// Characters of a value that a message shows.
pub const EXCERPT_CHARS: usize = 64;

/// The start of a value, for messages.
pub fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT_CHARS).collect()
}

impl Warning {
    /// Adds a warning, unless there are [`WARNINGS_MAX`] already. The text is made only if needed.
    pub fn add(warnings: &mut Vec<Self>, make: impl FnOnce() -> Self) {
        if warnings.len() < WARNINGS_MAX {
            warnings.push(make());
        }
    }

    /// A warning about one field.
    pub fn new(code: WarningCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        let (expected, got) = Default::default();
        Self { code, field: field.into(), message: message.into(), expected, got }
    }

    /// Says what was expected, and what was found instead.
    #[must_use]
    pub fn because(mut self, expected: impl Into<Cow<'static, str>>, got: &str) -> Self {
        self.expected = expected.into();
        self.got = excerpt(got);
        self
    }
}
