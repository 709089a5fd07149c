//! The words of the journey. Every other crate speaks them; this one knows no other and does no I/O.
//!
//! An [`Event`] is what a client reported after the gateway admitted it: a name, a time, a person,
//! and [`properties`] of its own, kept as the JSON text that was sent. An app may define
//! [`Attribute`]s over its properties; each may own a typed [`Slot`], a column that saves
//! questions from parsing JSON. A [`TrackingPlan`] judges an event when it is accepted, and replaces
//! its personal values. What became of each event is said by one [`Outcome`].
//!
//! Invariants: an `Event` satisfies [`EventLimits`]; its `properties` text is an object that every
//! JSON reader downstream can parse; [`coerce`] is the only definition of what a property's value
//! is as an attribute of a type, and the rule compiler's SQL agrees with it.

mod app_id;
mod attribute;
mod attribute_terms;
mod coerce;
mod dead_event;
mod event;
mod limits;
mod members;
mod origin;
mod outcome;
mod placement;
mod plan;
mod plan_check;
mod plan_limits;
mod plan_mask;
mod plan_reading;
pub mod properties;
mod slot;
mod time;

pub use app_id::{AppId, AppIdError};
pub use attribute::{Attribute, AttributeType, BUILT_INS, BuiltIn, built_in};
pub use attribute_terms::{AttributeTerms, Personal, PlanStatus, PlanValue, TermsFault};
pub use coerce::{Scalar, coerce};
pub use dead_event::{DeadEvent, Record};
pub use event::{Event, derived_id, named_id};
pub use limits::EventLimits;
pub use members::edit_members;
pub use origin::Origin;
pub use outcome::{
    EXCERPT_CHARS, Outcome, Rejection, RejectionCode, WARNINGS_MAX, Warning, WarningCode, excerpt,
};
pub use placement::{PLACE_KEY_SQL, place_key};
pub use plan::{PlanMode, PlannedEvent, PlannedUse, TrackingPlan};
pub use plan_check::PlanCheck;
pub use plan_mask::MaskKey;
pub use slot::{AssignedSlot, Slot, SlotFamily, SlotMap};
pub use time::{parse_time, report_date};
