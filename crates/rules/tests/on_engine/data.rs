//! Rows as the pipeline stores them.

use serde::Deserialize;
use suanpan_event::{
    AssignedSlot, Attribute, AttributeTerms, AttributeType, Scalar, coerce, properties::Properties,
};

/// One event.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Row {
    pub event: String,
    pub time_ms: i64,
    pub person: String,
    pub platform: String,
    pub country: String,
    pub bot: bool,
    pub slot_map: u32,
    pub content: String,
}

impl Row {
    /// A property's value as a type, by the one definition.
    pub fn property(&self, name: &str, kind: AttributeType) -> Option<Scalar<'_>> {
        let properties = Properties::parse(&self.content).expect("test rows hold objects");
        let raw = properties.iter().find(|(known, _)| *known == name)?.1;
        coerce(raw, kind)
    }

    /// The slots that the pipeline fills for a row of this slot map.
    pub fn slots<'a>(
        &'a self,
        attributes: &'a [Attribute],
    ) -> impl Iterator<Item = (AssignedSlot, Scalar<'a>)> + 'a {
        attributes.iter().filter_map(|attribute| {
            let assigned = attribute.slot.filter(|slot| self.slot_map >= slot.since)?;
            Some((assigned, self.property(&attribute.name, attribute.kind)?))
        })
    }
}

/// An attribute with a slot (`num_01`) since this slot map, or without one.
pub fn attribute(name: &str, kind: AttributeType, slot: Option<(&str, u32)>) -> Attribute {
    let slot = slot.map(|(slot, since)| AssignedSlot { slot: slot.parse().unwrap(), since });
    Attribute { name: name.into(), kind, title: String::new(), terms: AttributeTerms::default(), slot }
}
