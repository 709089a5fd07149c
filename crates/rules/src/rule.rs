use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use suanpan_event::AttributeType;

use crate::Moment;

/// Groups named when a rule does not say how many.
pub const TOP_DEFAULT: u32 = 10;

/// A metric rule, version 1: what to count, of which events, how to split it, and when.
// Its serialization is the canonical form: one spelling of everything, defaults filled in. The
// documentation of these types is also the text of the published schema.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Suanpan metric rule")]
pub struct Rule {
    /// The version of the rule's form: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// The kind of question.
    pub kind: Kind,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What to count, at least one. The first one ranks the groups of a breakdown.
    #[schemars(length(min = 1))]
    pub measures: Vec<Measure>,
    /// Which events count, for all measures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// The attributes to split by: a list, or the only one. None if absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, schema_with = "one_or_many::<AttributeRef>")]
    pub breakdown: Vec<AttributeRef>,
    /// How many groups to name; the rest is folded into "others". 10 if absent; only with a
    /// breakdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub top: Option<u32>,
    /// How long each point's interval is; one total only if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// When.
    pub range: Range,
    /// What to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<Comparison>,
}

impl Rule {
    /// The normalised text: equal for rules that mean the same and are spelt differently.
    /// [`crate::parse`] reads it back to an equal rule.
    pub fn canonical(&self) -> String {
        serde_json::to_string(self).expect("a rule has text keys only")
    }

    /// The canonical text without the title, which no answer depends on: a cache key's part.
    pub fn fingerprint(&self) -> String {
        Self { title: None, ..self.clone() }.canonical()
    }
}

/// The kind of question a rule asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Measures over time.
    Trend,
}

/// One measure.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Measure {
    /// Its name in the answer, unique in the rule; made from the rest if absent.
    #[schemars(default)]
    pub name: String,
    /// What is computed.
    pub measure: MeasureKind,
    /// Of which attribute; for all but `events`, `people` and `events_per_person`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// The attribute's type, if it is not the tracking plan's.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<StatedType>")]
    pub kind: Option<AttributeType>,
    /// The names of the events that count: a list, or the only one. Any event if absent.
    #[serde(rename = "event", skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, schema_with = "one_or_many::<String>")]
    pub events: Vec<String>,
    /// Which of those events count, beside the rule's filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal $(| $other:literal)*,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $word $(, alias = $other)*)] $variant,)* }

        impl $name {
            /// All spellings; the canonical one of each meaning comes first.
            pub(crate) const WORDS: &'static [(&'static str, Self)] =
                &[$(($word, Self::$variant), $(($other, Self::$variant),)*)*];

            /// The canonical spelling.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// What a measure computes.
    MeasureKind {
        /// How many events.
        Events = "events",
        /// How many different people (`actor_id`).
        People = "people",
        /// Events divided by people; null without people.
        EventsPerPerson = "events_per_person",
        /// The sum of a number; 0 of none.
        Sum = "sum",
        /// The mean of a number; null of none, as are the ones below.
        Avg = "avg",
        /// The least.
        Min = "min",
        /// The greatest.
        Max = "max",
        /// The median: of n sorted values the one at index ⌊0.5·n⌋, from 0.
        P50 = "p50",
        /// The value at index ⌊0.9·n⌋.
        P90 = "p90",
        /// The value at index ⌊0.99·n⌋.
        P99 = "p99",
        /// How many different values of an attribute of any type.
        Distinct = "distinct",
    }
}

words! {
    /// How a condition compares.
    Operator {
        /// Equal. Text is compared with case.
        Is = "=",
        /// The opposite of `=`; so it holds where the attribute is not set.
        IsNot = "≠" | "!=",
        /// One of the values.
        In = "in",
        /// The opposite of `in`.
        NotIn = "not in",
        /// The text holds this text.
        Contains = "contains",
        /// The opposite of `contains`.
        NotContains = "not contains",
        /// The text starts with this text.
        Starts = "starts" | "starts with",
        /// The text matches this regular expression somewhere.
        Regex = "regex",
        /// Greater, or later.
        Above = ">",
        /// Greater or equal, or not earlier.
        From = "≥" | ">=",
        /// Less, or earlier.
        Below = "<",
        /// Less or equal, or not later.
        To = "≤" | "<=",
        /// From the first value to the second, both included.
        Between = "between",
        /// The attribute has a value.
        Set = "is set" | "set",
        /// The attribute has none.
        NotSet = "is not set" | "not set",
    }
}

words! {
    /// A length of time that the calendar of the app's zone knows. Weeks start on Monday.
    Interval {
        /// A minute of the local clock.
        Minute = "minute",
        /// An hour of the local clock.
        Hour = "hour",
        /// A date.
        Day = "day",
        /// Monday to Sunday.
        Week = "week",
        /// A calendar month.
        Month = "month",
    }
}

words! {
    /// What an answer is compared with.
    Comparison {
        /// As many of the range's units just before it.
        PreviousPeriod = "previous_period",
    }
}

impl Interval {
    /// Its usual length in milliseconds; a month counts 30 days.
    pub const fn nominal_ms(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
            Self::Week => 7 * 86_400_000,
            Self::Month => 30 * 86_400_000,
        }
    }
}

/// Names an attribute: its name alone, or with a stated type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeRef {
    /// The name: a built-in attribute's, one of the tracking plan's, or any property's.
    pub name: String,
    /// The type to read it as; the tracking plan's if none.
    pub kind: Option<AttributeType>,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(deny_unknown_fields)]
enum AttributeForm<'a> {
    /// The attribute's name.
    Name(Cow<'a, str>),
    /// The name with a stated type, for a property that the tracking plan does not have.
    Typed {
        /// The name.
        attribute: Cow<'a, str>,
        /// The type to read it as.
        #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<StatedType>")]
        kind: Option<AttributeType>,
    },
}

impl Serialize for AttributeRef {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = Cow::Borrowed(self.name.as_str());
        match self.kind {
            None => AttributeForm::Name(name).serialize(serializer),
            kind => AttributeForm::Typed { attribute: name, kind }.serialize(serializer),
        }
    }
}

impl JsonSchema for AttributeRef {
    fn schema_name() -> Cow<'static, str> {
        "AttributeRef".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        AttributeForm::<'static>::json_schema(generator)
    }
}

/// The types an attribute can be stated to have.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase", rename = "AttributeType")]
#[allow(dead_code)]
enum StatedType {
    String,
    Number,
    Boolean,
    Datetime,
    List,
}

/// Which events count. A filter is true or false of an event, never unknown.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(deny_unknown_fields)]
pub enum Filter {
    /// All of these.
    And {
        /// At least one.
        #[schemars(length(min = 1))]
        and: Vec<Filter>,
    },
    /// Any of these.
    Or {
        /// At least one.
        #[schemars(length(min = 1))]
        or: Vec<Filter>,
    },
    /// Not this.
    Not {
        /// The opposite.
        not: Box<Filter>,
    },
    /// One attribute compared.
    Condition {
        /// The attribute.
        attribute: String,
        /// Its type, if it is not the tracking plan's.
        #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<StatedType>")]
        kind: Option<AttributeType>,
        /// How it is compared.
        #[schemars(schema_with = "operator_schema")]
        is: Operator,
        /// With what: a list for `in` and `not in`, two values for `between`, nothing for
        /// `is set` and `is not set`, else one value.
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<Operand>,
    },
}

/// What an attribute is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Operand {
    /// One value.
    One(Scalar),
    /// Several.
    Many(Vec<Scalar>),
}

/// One value of a condition. A datetime is a text: a date, a local time or an instant.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// For a string or a datetime.
    Text(String),
    /// For a number.
    Number(f64),
    /// For a boolean.
    Boolean(bool),
}

/// When: relative to now, or between two points in time.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(deny_unknown_fields)]
pub enum Range {
    /// The current unit and those before it: `{"last": 7, "unit": "day"}` is today and the six
    /// days before.
    Relative {
        /// How many units.
        #[schemars(range(min = 1))]
        last: u32,
        /// Of what length.
        unit: Interval,
    },
    /// From here to there, in the app's time zone.
    Absolute {
        /// The start: a date, a local time or an instant.
        #[schemars(with = "String")]
        from: Moment,
        /// The end: a date is included, a time is not.
        #[schemars(with = "String")]
        to: Moment,
    },
}

fn one_or_many<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<T>();
    let many = generator.subschema_for::<Vec<T>>();
    json_schema!({ "anyOf": [one, many] })
}

fn operator_schema(_: &mut SchemaGenerator) -> Schema {
    let words = Operator::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>();
    json_schema!({ "type": "string", "enum": words })
}

/// The JSON Schema (draft 2020-12) of [`Rule`], generated from these types. It knows the form of a
/// rule; what the tracking plan and the limits say is checked by [`crate::parse`] and
/// [`crate::compile`].
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Rule).to_value()
}
