//! What is wrong with an event, as the plan's mode wants it told: a warning each, or the first as a
//! rejection.

use std::borrow::Cow;

use crate::plan_limits::Offence;
use crate::{Personal, PlanMode, Rejection, RejectionCode, TrackingPlan, Warning, WarningCode, excerpt};

/// Findings told about one event that is only tried.
const FINDINGS_MAX: usize = 100;

/// How an event that is only tried fares under a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanCheck {
    /// Everything that does not fit the plan, whatever its mode; at most 100 findings.
    pub findings: Vec<Warning>,
    /// Why the plan's mode would refuse the event.
    pub rejection: Option<Rejection>,
    /// What would be stored of the properties, if the event is not refused.
    pub properties: Option<String>,
}

impl TrackingPlan {
    /// Tries an event, as `apply` would judge it; also says what `apply` keeps to itself: what an
    /// observing plan would find, and which values are personal.
    ///
    /// `properties` is what [`crate::properties::admit`] gave.
    pub fn check(&self, event: &str, properties: &str) -> PlanCheck {
        let mut findings = Vec::new();
        let mut all =
            Findings { names_personal: true, ..Findings::new(PlanMode::Warn, &mut findings, FINDINGS_MAX) };
        let judged = self
            .examine(event, properties, &mut all)
            .and_then(|_| self.apply(event, Cow::Borrowed(properties), &mut Vec::new()));
        match judged {
            Ok(stored) => PlanCheck { findings, rejection: None, properties: Some(stored.into_owned()) },
            Err(rejection) => PlanCheck { findings, rejection: Some(rejection), properties: None },
        }
    }
}

/// What can be wrong with an event in the eyes of a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    UnplannedEvent,
    UnplannedAttribute,
    AttributeMissing,
    WrongType,
    NotListed,
    OutOfRange,
    PatternMismatch,
    Retired,
}

impl Fault {
    const fn codes(self) -> (RejectionCode, WarningCode) {
        match self {
            Self::UnplannedEvent => (RejectionCode::UnplannedEvent, WarningCode::UnplannedEvent),
            Self::UnplannedAttribute => (RejectionCode::UnplannedAttribute, WarningCode::UnplannedAttribute),
            Self::AttributeMissing => (RejectionCode::AttributeMissing, WarningCode::AttributeMissing),
            Self::WrongType => (RejectionCode::WrongType, WarningCode::WrongType),
            Self::NotListed => (RejectionCode::NotListed, WarningCode::NotListed),
            Self::OutOfRange => (RejectionCode::OutOfRange, WarningCode::OutOfRange),
            Self::PatternMismatch => (RejectionCode::PatternMismatch, WarningCode::PatternMismatch),
            Self::Retired => (RejectionCode::Retired, WarningCode::Retired),
        }
    }
}

impl From<Offence> for Fault {
    fn from(offence: Offence) -> Self {
        match offence {
            Offence::NotListed => Self::NotListed,
            Offence::OutOfRange => Self::OutOfRange,
            Offence::PatternMismatch => Self::PatternMismatch,
        }
    }
}

impl Offence {
    pub fn message(self) -> &'static str {
        match self {
            Self::NotListed => "the value is not among those that the tracking plan lists",
            Self::OutOfRange => "the value lies outside the tracking plan's range",
            Self::PatternMismatch => "the text does not match the tracking plan's pattern",
        }
    }
}

/// Where, what, and what instead. Made only if it is told.
pub(crate) struct Detail {
    pub field: String,
    pub message: String,
    pub expected: Cow<'static, str>,
    pub got: String,
}

impl Detail {
    fn warning(self, code: WarningCode) -> Warning {
        let got = excerpt(&self.got);
        Warning { code, field: self.field, message: self.message, expected: self.expected, got }
    }

    fn rejection(self, code: RejectionCode) -> Rejection {
        let got = excerpt(&self.got);
        Rejection { code, field: self.field, message: self.message, expected: self.expected, got }
    }
}

/// Takes the findings of one event.
pub(crate) struct Findings<'w> {
    pub mode: PlanMode,
    warnings: &'w mut Vec<Warning>,
    max: usize,
    names_personal: bool,
}

impl<'w> Findings<'w> {
    pub fn new(mode: PlanMode, warnings: &'w mut Vec<Warning>, max: usize) -> Self {
        Self { mode, warnings, max, names_personal: false }
    }

    /// Something that an enforced plan refuses.
    pub fn fault(&mut self, fault: Fault, detail: impl FnOnce() -> Detail) -> Result<(), Rejection> {
        let (rejection, warning) = fault.codes();
        match self.mode {
            PlanMode::Enforce => return Err(detail().rejection(rejection)),
            PlanMode::Warn => self.add(warning, detail),
            PlanMode::Observe => {}
        }
        Ok(())
    }

    /// A conversion without loss, which no mode refuses.
    pub fn converted(&mut self, detail: impl FnOnce() -> Detail) {
        self.add(WarningCode::TypeConverted, detail);
    }

    /// A personal value: what was asked for, so only told to those who try an event.
    pub fn personal(&mut self, name: &str, personal: Personal) {
        if self.names_personal {
            let done = if personal == Personal::Drop { "dropped" } else { "masked" };
            self.add(WarningCode::PersonalData, || Detail {
                field: format!("properties.{name}"),
                message: format!("the value is personal and is {done} before it is stored"),
                expected: "".into(),
                got: String::new(),
            });
        }
    }

    fn add(&mut self, code: WarningCode, detail: impl FnOnce() -> Detail) {
        if self.warnings.len() < self.max {
            self.warnings.push(detail().warning(code));
        }
    }
}
