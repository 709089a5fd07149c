//! What an app means to report, ready to check events as they arrive.
//!
//! ```text
//! event known? → each property: known, in use, of its type (converted), within its limits
//!              → required ones there? → personal values masked or dropped
//! ```
//!
//! In `observe` only the last step is taken. All of it is linear in the event's text.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::plan_check::{Detail, Fault, Findings};
use crate::plan_limits::{Offence, ValueLimits};
use crate::plan_mask::{self, Edit, MaskKey};
use crate::plan_reading::{Reading, Value, read};
use crate::properties::{Properties, kind_of};
use crate::{
    Attribute, AttributeType, Personal, PlanStatus, Rejection, RejectionCode, Scalar, WARNINGS_MAX, Warning,
};

/// What a tracking plan does with events that don't fit it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanMode {
    /// Takes them as they are.
    #[default]
    Observe,
    /// Takes them, converts what can be converted, and says what is wrong.
    Warn,
    /// As `Warn`, but refuses an event at the first wrong thing.
    Enforce,
}

impl PlanMode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Observe, Self::Warn, Self::Enforce];

    /// The word for it in plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        }
    }
}

/// An attribute of a planned event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedUse {
    /// The attribute's name.
    pub name: String,
    /// The event is incomplete without it.
    #[serde(default)]
    pub required: bool,
}

/// An event that an app means to report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlannedEvent {
    /// Its name, as clients report it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What it means and when it is sent.
    pub description: String,
    /// Where it stands in its life.
    pub status: PlanStatus,
    /// The attributes it has.
    pub attributes: Vec<PlannedUse>,
}

/// An app's tracking plan. The default one observes and knows nothing.
#[derive(Debug, Clone, Default)]
pub struct TrackingPlan {
    mode: PlanMode,
    definitions: Vec<PlannedEvent>,
    events: HashMap<Box<str>, ExpectedEvent>,
    pub(crate) attributes: HashMap<Box<str>, ExpectedAttribute>,
    pub(crate) has_personal: bool,
    pub(crate) mask_key: MaskKey,
}

#[derive(Debug, Clone)]
struct ExpectedEvent {
    status: PlanStatus,
    /// The attributes listed, and for a required one its place in `required`.
    listed: HashMap<Box<str>, Option<usize>>,
    required: Vec<Box<str>>,
}

#[derive(Debug, Clone)]
pub(crate) struct ExpectedAttribute {
    pub kind: AttributeType,
    status: PlanStatus,
    pub personal: Personal,
    is_common: bool,
    limits: ValueLimits,
}

/// What begins the names of automatic events and of properties that client libraries add. A plan
/// need not list them.
const RESERVED_PREFIX: char = '$';

impl TrackingPlan {
    /// A plan of these definitions; `mask_key` makes the pseudonyms of personal values.
    ///
    /// Of definitions that contradict themselves ([`crate::AttributeTerms::check`]) what can't be
    /// is left out: whoever stores a plan checks it first.
    pub fn new(
        mode: PlanMode,
        mut events: Vec<PlannedEvent>,
        attributes: &[Attribute],
        mask_key: MaskKey,
    ) -> Self {
        events.sort_by(|a, b| a.name.cmp(&b.name));
        let attributes: HashMap<Box<str>, ExpectedAttribute> =
            attributes.iter().map(|a| (a.name.as_str().into(), ExpectedAttribute::new(a))).collect();
        let expected = events.iter().map(|event| {
            let is_retired =
                |name: &str| attributes.get(name).is_some_and(|a| a.status == PlanStatus::Retired);
            (event.name.as_str().into(), ExpectedEvent::new(event, is_retired))
        });
        Self {
            mode,
            events: expected.collect(),
            has_personal: attributes.values().any(|a| a.personal != Personal::Keep),
            attributes,
            definitions: events,
            mask_key,
        }
    }

    /// What it does with events that don't fit.
    pub fn mode(&self) -> PlanMode {
        self.mode
    }

    /// The planned events, sorted by name.
    pub fn events(&self) -> &[PlannedEvent] {
        &self.definitions
    }

    /// Whether there is nothing to check or change: [`Self::apply`] would do nothing.
    pub fn is_silent(&self) -> bool {
        self.mode == PlanMode::Observe && !self.has_personal
    }

    /// Checks an admitted event's properties against the plan. `properties` is what
    /// [`crate::properties::admit`] gave; it comes back as it is where nothing had to change.
    ///
    /// # Errors
    /// The plan is enforced and the event does not fit: the first wrong thing.
    pub fn apply<'a>(
        &self,
        event: &str,
        properties: Cow<'a, str>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Cow<'a, str>, Rejection> {
        if self.is_silent() {
            return Ok(properties);
        }
        let mut findings = Findings::new(self.mode, warnings, WARNINGS_MAX);
        Ok(self.examine(event, &properties, &mut findings)?.map_or(properties, Cow::Owned))
    }

    /// Looks through an event; gives the new text of its properties if it had to change.
    pub(crate) fn examine(
        &self,
        event: &str,
        properties: &str,
        findings: &mut Findings<'_>,
    ) -> Result<Option<String>, Rejection> {
        let properties = Properties::parse(properties)
            .map_err(|e| Rejection::new(RejectionCode::Malformed, "properties", e.to_string()))?;
        if findings.mode == PlanMode::Observe {
            return Ok(self.protected(&properties));
        }
        let expected = self.expected_event(event, findings)?;
        let mut seen = vec![false; expected.map_or(0, |e| e.required.len())];
        let mut edits = Vec::new();
        for (at, (name, raw)) in properties.iter().enumerate() {
            let Some(attribute) = self.attributes.get(name) else {
                unplanned_attribute(event, expected, name, findings)?;
                edits.extend(self.protected_inside(name, raw).map(|edit| (at, edit)));
                continue;
            };
            let reading = read(raw, attribute.kind);
            if reading == Reading::NotSet {
                continue;
            }
            let listed = expected.and_then(|e| e.listed.get(name));
            if let Some(Some(place)) = listed {
                seen[*place] = true;
            }
            if listed.is_none() && !attribute.is_common {
                unplanned_attribute(event, expected, name, findings)?;
            }
            let edit = self.value(&Given { name, raw, attribute }, reading, findings)?;
            edits.extend(edit.map(|edit| (at, edit)));
        }
        if let Some(expected) = expected {
            expected.check_required(event, &seen, findings)?;
        }
        Ok(plan_mask::edited(&properties, edits))
    }

    fn expected_event(
        &self,
        event: &str,
        findings: &mut Findings<'_>,
    ) -> Result<Option<&ExpectedEvent>, Rejection> {
        let expected = self.events.get(event);
        match expected {
            None if !event.starts_with(RESERVED_PREFIX) => {
                findings.fault(Fault::UnplannedEvent, || Detail {
                    field: "event".to_owned(),
                    message: format!("the tracking plan has no event {event:?}"),
                    expected: "an event of the tracking plan".into(),
                    got: event.to_owned(),
                })?
            }
            Some(ExpectedEvent { status: PlanStatus::Retired, .. }) => {
                findings.fault(Fault::Retired, || Detail {
                    field: "event".to_owned(),
                    message: format!("the event {event:?} is retired"),
                    expected: "an event that is in use".into(),
                    got: event.to_owned(),
                })?;
            }
            _ => {}
        }
        Ok(expected)
    }

    /// Checks a planned attribute's value that is set, and says what is put in its place.
    fn value(
        &self,
        given: &Given<'_>,
        reading: Reading<'_>,
        findings: &mut Findings<'_>,
    ) -> Result<Option<Edit>, Rejection> {
        let attribute = given.attribute;
        if plan_mask::is_dropped(given.raw) {
            return Ok(Some(Edit::Drop));
        }
        if attribute.status == PlanStatus::Retired {
            let message = || format!("the attribute {:?} is retired", given.name);
            findings.fault(Fault::Retired, || given.detail(message(), "an attribute that is in use"))?;
        }
        let (kind, found) = (attribute.kind.name(), kind_of(given.raw));
        let (value, converted) = match reading {
            Reading::Fits(value) => (Some(value), None),
            Reading::Converted(value, text) => {
                findings.converted(|| given.detail(format!("{found} was converted to a {kind}"), kind));
                (Some(value), Some(text))
            }
            Reading::NotSet | Reading::Wrong => {
                let message = || format!("expected a {kind}, found {found} that is none");
                findings.fault(Fault::WrongType, || given.detail(message(), kind))?;
                (None, None)
            }
        };
        if let Some(offence) = value.as_ref().and_then(|value| attribute.offence(value)) {
            let expected = || attribute.limits.expected(offence);
            findings.fault(offence.into(), || given.detail(offence.message().to_owned(), expected()))?;
        }
        if attribute.personal != Personal::Keep {
            findings.personal(given.name, attribute.personal);
            return Ok(self.protection(attribute, given.raw));
        }
        Ok(converted.map(Edit::Replace))
    }
}

/// A planned attribute's property.
struct Given<'p> {
    name: &'p str,
    raw: &'p str,
    attribute: &'p ExpectedAttribute,
}

impl Given<'_> {
    /// A personal value stands in no message.
    fn detail(&self, message: String, expected: impl Into<Cow<'static, str>>) -> Detail {
        let shown = if self.attribute.personal == Personal::Keep { self.raw } else { kind_of(self.raw) };
        let (field, got) = (format!("properties.{}", self.name), shown.to_owned());
        Detail { field, message, expected: expected.into(), got }
    }
}

impl ExpectedAttribute {
    fn new(attribute: &Attribute) -> Self {
        Self {
            kind: attribute.kind,
            status: attribute.terms.status,
            personal: attribute.terms.personal,
            is_common: attribute.terms.common,
            limits: ValueLimits::new(attribute),
        }
    }

    fn offence(&self, value: &Value<'_>) -> Option<Offence> {
        let text = |text: &str| {
            // A pseudonym, as the dead letter keeps it, fits no pattern of what it stands for.
            let is_pseudonym = self.personal == Personal::Mask && plan_mask::is_pseudonym(text);
            if is_pseudonym { None } else { self.limits.text(text) }
        };
        match value {
            Value::One(Scalar::Text(one)) => text(one),
            Value::One(Scalar::Number(number)) => self.limits.number(*number),
            Value::Many(many) => many.iter().find_map(|one| text(one)),
        }
    }
}

impl ExpectedEvent {
    fn new(event: &PlannedEvent, is_retired: impl Fn(&str) -> bool) -> Self {
        let mut required: Vec<Box<str>> = Vec::new();
        let mut listed = HashMap::with_capacity(event.attributes.len());
        for one in &event.attributes {
            let is_required =
                one.required && !is_retired(&one.name) && !listed.contains_key(one.name.as_str());
            if is_required {
                required.push(one.name.as_str().into());
            }
            listed.entry(one.name.as_str().into()).or_insert(is_required.then(|| required.len() - 1));
        }
        Self { status: event.status, listed, required }
    }

    fn check_required(
        &self,
        event: &str,
        seen: &[bool],
        findings: &mut Findings<'_>,
    ) -> Result<(), Rejection> {
        for (name, _) in self.required.iter().zip(seen).filter(|(_, seen)| !**seen) {
            findings.fault(Fault::AttributeMissing, || Detail {
                field: format!("properties.{name}"),
                message: format!("the event {event:?} needs the attribute {name:?}"),
                expected: "a value".into(),
                got: String::new(),
            })?;
        }
        Ok(())
    }
}

/// An attribute that a planned event does not list. What stands in an unplanned event is judged by
/// its type alone: the event's own warning says the rest.
fn unplanned_attribute(
    event: &str,
    expected: Option<&ExpectedEvent>,
    name: &str,
    findings: &mut Findings<'_>,
) -> Result<(), Rejection> {
    if expected.is_none() || name.starts_with(RESERVED_PREFIX) {
        return Ok(());
    }
    findings.fault(Fault::UnplannedAttribute, || Detail {
        field: format!("properties.{name}"),
        message: format!("the event {event:?} has no attribute {name:?} in the tracking plan"),
        expected: "an attribute that the plan lists for the event".into(),
        got: String::new(),
    })
}
