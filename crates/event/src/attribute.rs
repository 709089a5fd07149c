use serde::{Deserialize, Serialize};

use crate::{AssignedSlot, AttributeTerms};

/// What an attribute's values are. [`crate::coerce`] says which JSON values count as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttributeType {
    /// Text. The empty string counts as not set.
    String,
    /// A finite 64-bit floating point number.
    Number,
    /// True or false.
    Boolean,
    /// An instant, in milliseconds since 1970-01-01 UTC.
    Datetime,
    /// Several texts. No single value: it has no slot.
    #[serde(rename = "list")]
    StringList,
}

impl AttributeType {
    /// All types.
    pub const ALL: [Self; 5] = [Self::String, Self::Number, Self::Boolean, Self::Datetime, Self::StringList];

    /// The type's name in rules, plans and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Datetime => "datetime",
            Self::StringList => "list",
        }
    }
}

/// A property that an app has defined in its tracking plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// The property's name, as clients report it.
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: AttributeType,
    /// What people call it.
    #[serde(default)]
    pub title: String,
    /// What else the plan says of it.
    #[serde(flatten)]
    pub terms: AttributeTerms,
    /// Its typed column, if one was free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<AssignedSlot>,
}

/// A field that every event has, stored in a column of its own. The names are reserved: a
/// custom attribute can't take one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// Its name in rules.
    pub name: &'static str,
    /// Its column in the events table.
    pub column: &'static str,
    /// What its values are.
    pub kind: AttributeType,
    /// What people call it.
    pub title: &'static str,
}

const fn text(name: &'static str, title: &'static str) -> BuiltIn {
    BuiltIn { name, column: name, kind: AttributeType::String, title }
}

const fn instant(name: &'static str, title: &'static str) -> BuiltIn {
    BuiltIn { name, column: name, kind: AttributeType::Datetime, title }
}

/// All built-in attributes.
pub const BUILT_INS: [BuiltIn; 20] = [
    text("event", "Event"),
    instant("event_time", "Event time"),
    instant("received_time", "Time of receipt"),
    text("actor_id", "Person"),
    text("user_id", "User id"),
    text("device_id", "Device id"),
    text("session_id", "Session id"),
    text("platform", "Platform"),
    text("app_version", "App version"),
    text("library", "Reporting library"),
    text("country", "Country"),
    text("region", "Region"),
    text("city", "City"),
    text("browser", "Browser"),
    text("browser_version", "Browser version"),
    text("os", "Operating system"),
    text("os_version", "Version of the operating system"),
    text("device_type", "Type of device"),
    text("ip", "Client address"),
    BuiltIn { name: "bot", column: "is_bot", kind: AttributeType::Boolean, title: "Crawler" },
];

/// The built-in attribute of this name.
pub fn built_in(name: &str) -> Option<&'static BuiltIn> {
    BUILT_INS.iter().find(|b| b.name == name)
}
