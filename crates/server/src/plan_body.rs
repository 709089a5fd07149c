//! A tracking plan as it stands in bodies.

use serde::{Deserialize, Serialize};
use suanpan_catalog::{NameChanges, NewAttribute, PlanChanges, PlanDefinition};
use suanpan_event::{AttributeTerms, PlanValue, PlannedEvent, PlannedUse};
use utoipa::ToSchema;

use crate::words::{LifeStatus, Mode, PersonalData, ValueType};

/// A whole tracking plan.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanBody {
    /// What it does with events that don't fit; absent, that stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The events that the app means to report.
    pub events: Vec<EventBody>,
    /// The attributes they may have.
    pub attributes: Vec<PlannedAttributeBody>,
}

/// A planned event with its name.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventBody {
    /// Its name, as clients report it.
    pub name: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What it means and when it is sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where it stands in its life; `live` if absent.
    #[serde(default)]
    pub status: LifeStatus,
    /// The attributes it has.
    #[serde(default)]
    pub attributes: Vec<UseBody>,
}

/// What is said of a planned event.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventDefinition {
    /// What people call it.
    #[serde(default)]
    title: String,
    /// What it means and when it is sent.
    #[serde(default)]
    description: String,
    /// Where it stands in its life; `live` if absent.
    #[serde(default)]
    status: LifeStatus,
    /// The attributes it has.
    #[serde(default)]
    attributes: Vec<UseBody>,
}

/// An attribute of a planned event.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UseBody {
    /// The attribute's name.
    pub name: String,
    /// The event is incomplete without it.
    #[serde(default)]
    pub required: bool,
}

/// An attribute with all that a plan says of it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlannedAttributeBody {
    /// The property's name, as clients report it.
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: ValueType,
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What it means and when it is sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where it stands in its life; `live` if absent.
    #[serde(default)]
    pub status: LifeStatus,
    /// What becomes of its values before they are stored; `keep` if absent.
    #[serde(default)]
    pub personal: PersonalData,
    /// It may stand in every event, not only in those that list it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub common: bool,
    /// Its texts take many different values, such as order numbers.
    #[serde(default, skip_serializing_if = "is_false")]
    pub many_values: bool,
    /// The values it may have, texts or numbers; any if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<serde_json::Value>)]
    pub allowed: Vec<PlanValue>,
    /// The least number, or the earliest instant (RFC 3339 with an offset).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub min: Option<PlanValue>,
    /// The greatest number, or the latest instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub max: Option<PlanValue>,
    /// A regular expression found somewhere in the text; `^` and `$` bind it to the ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(crate) fn is_false(flag: &bool) -> bool {
    !flag
}

/// What a new plan changes, or would change.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlanChangesBody {
    /// Whether it was only tried.
    dry_run: bool,
    /// The mode it has from then on, if that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
    /// Events by name.
    events: NameChangesBody,
    /// Attributes by name.
    attributes: NameChangesBody,
}

/// Names in order, each in one list at most.
#[derive(Serialize, ToSchema)]
pub(crate) struct NameChangesBody {
    /// New ones.
    added: Vec<String>,
    /// Those of which something changes.
    changed: Vec<String>,
    /// Those that go.
    removed: Vec<String>,
}

impl PlanChangesBody {
    pub fn new(changes: PlanChanges, dry_run: bool) -> Self {
        let names = |NameChanges { added, changed, removed }| NameChangesBody { added, changed, removed };
        Self {
            dry_run,
            mode: changes.mode.map(Mode::from),
            events: names(changes.events),
            attributes: names(changes.attributes),
        }
    }
}

impl From<PlanDefinition> for PlanBody {
    fn from(plan: PlanDefinition) -> Self {
        Self {
            mode: plan.mode.map(Mode::from),
            events: plan.events.into_iter().map(EventBody::from).collect(),
            attributes: plan.attributes.into_iter().map(PlannedAttributeBody::from).collect(),
        }
    }
}

impl From<PlanBody> for PlanDefinition {
    fn from(plan: PlanBody) -> Self {
        Self {
            mode: plan.mode.map(Mode::into),
            events: plan.events.into_iter().map(EventBody::into).collect(),
            attributes: plan.attributes.into_iter().map(PlannedAttributeBody::into).collect(),
        }
    }
}

impl From<PlannedEvent> for EventBody {
    fn from(event: PlannedEvent) -> Self {
        let uses = event.attributes.into_iter();
        Self {
            name: event.name,
            title: event.title,
            description: event.description,
            status: event.status.into(),
            attributes: uses.map(|u| UseBody { name: u.name, required: u.required }).collect(),
        }
    }
}

impl From<EventBody> for PlannedEvent {
    fn from(event: EventBody) -> Self {
        let EventBody { name, title, description, status, attributes } = event;
        EventDefinition { title, description, status, attributes }.named(name)
    }
}

impl EventDefinition {
    pub fn named(self, name: String) -> PlannedEvent {
        let uses = self.attributes.into_iter();
        PlannedEvent {
            name,
            title: self.title,
            description: self.description,
            status: self.status.into(),
            attributes: uses.map(|u| PlannedUse { name: u.name, required: u.required }).collect(),
        }
    }
}

impl From<NewAttribute> for PlannedAttributeBody {
    fn from(attribute: NewAttribute) -> Self {
        let terms = attribute.terms;
        Self {
            name: attribute.name,
            kind: attribute.kind.into(),
            title: attribute.title,
            description: terms.description,
            status: terms.status.into(),
            personal: terms.personal.into(),
            common: terms.common,
            many_values: terms.many_values,
            allowed: terms.allowed,
            min: terms.min,
            max: terms.max,
            pattern: terms.pattern,
        }
    }
}

impl From<PlannedAttributeBody> for NewAttribute {
    fn from(body: PlannedAttributeBody) -> Self {
        let terms = AttributeTerms {
            description: body.description,
            status: body.status.into(),
            personal: body.personal.into(),
            common: body.common,
            many_values: body.many_values,
            allowed: body.allowed,
            min: body.min,
            max: body.max,
            // As an empty cell: no pattern.
            pattern: body.pattern.filter(|pattern| !pattern.is_empty()),
        };
        Self { name: body.name, kind: body.kind.into(), title: body.title, terms }
    }
}
