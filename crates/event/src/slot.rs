use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Attribute, AttributeType};

/// A group of slots that share a column type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SlotFamily {
    /// `LowCardinality(String)`: text with few different values, the usual case.
    Category,
    /// `String`: text with many different values, and the overflow of `Category`.
    Text,
    /// `Nullable(Float64)`: numbers, booleans (0, 1) and datetimes (milliseconds).
    Number,
}

impl SlotFamily {
    /// All families.
    pub const ALL: [Self; 3] = [Self::Category, Self::Text, Self::Number];

    /// How many slots of this family the events table has.
    pub const fn slots(self) -> u8 {
        match self {
            Self::Category => 24,
            Self::Text => 8,
            Self::Number => 16,
        }
    }

    /// The families whose slots can hold values of a type, the best first.
    pub const fn for_type(kind: AttributeType) -> &'static [Self] {
        match kind {
            AttributeType::String => &[Self::Category, Self::Text],
            AttributeType::Number | AttributeType::Boolean | AttributeType::Datetime => &[Self::Number],
            AttributeType::StringList => &[],
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Category => "cat_",
            Self::Text => "text_",
            Self::Number => "num_",
        }
    }
}

/// One typed column of the events table, which an app may give to one of its attributes.
/// Displays as the column's name: `cat_01` … `cat_24`, `text_01` … `text_08`, `num_01` … `num_16`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slot {
    family: SlotFamily,
    number: u8,
}

impl Slot {
    /// The slot with this number, from 1; none if the family has no such slot.
    pub fn new(family: SlotFamily, number: u8) -> Option<Self> {
        (1..=family.slots()).contains(&number).then_some(Self { family, number })
    }

    /// All slots of a family in order.
    pub fn all(family: SlotFamily) -> impl Iterator<Item = Self> {
        (1..=family.slots()).map(move |number| Self { family, number })
    }

    /// The family.
    pub fn family(self) -> SlotFamily {
        self.family
    }

    /// The number within the family, from 1.
    pub fn number(self) -> u8 {
        self.number
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:02}", self.family.prefix(), self.number)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        SlotFamily::ALL
            .into_iter()
            .find_map(|family| {
                let number = text.strip_prefix(family.prefix())?.parse().ok()?;
                Self::new(family, number)
            })
            .ok_or_else(|| format!("{text:?} names no slot"))
    }
}

impl TryFrom<String> for Slot {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Slot> for String {
    fn from(slot: Slot) -> Self {
        slot.to_string()
    }
}

/// A slot and the slot map version that first had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedSlot {
    /// The column.
    pub slot: Slot,
    /// Rows whose `slot_map` is at least this hold the attribute in the column; older rows only
    /// hold it in `content`.
    pub since: u32,
}

/// The slots of one app at one moment: which attribute the pipeline writes to which column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotMap {
    /// Grows by at least one with every change; 0 means that no slot was ever given.
    pub version: u32,
    by_name: HashMap<String, (AttributeType, Slot)>,
}

impl SlotMap {
    /// The map of these attributes.
    pub fn new<'a>(version: u32, attributes: impl IntoIterator<Item = &'a Attribute>) -> Self {
        let by_name =
            attributes.into_iter().filter_map(|a| Some((a.name.clone(), (a.kind, a.slot?.slot)))).collect();
        Self { version, by_name }
    }

    /// The type and slot of a property.
    pub fn get(&self, property: &str) -> Option<(AttributeType, Slot)> {
        self.by_name.get(property).copied()
    }

    /// Whether no attribute has a slot.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_named_after_their_columns() {
        for family in SlotFamily::ALL {
            for slot in Slot::all(family) {
                assert_eq!(slot.to_string().parse(), Ok(slot));
            }
        }
        for bad in ["cat_00", "cat_25", "text_09", "num_17", "num_", "content", ""] {
            assert!(bad.parse::<Slot>().is_err(), "{bad}");
        }
    }
}
