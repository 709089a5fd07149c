use std::borrow::Cow;

use serde_json::value::RawValue;
use suanpan_event::{
    AppId, Event, EventLimits, Origin, Rejection, RejectionCode, TrackingPlan, Warning, WarningCode,
    properties,
};
use uuid::Uuid;

use crate::{Draft, Identifier, SentAt};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// What all events of one request share.
#[derive(Debug, Clone, Copy)]
pub struct Admission<'r> {
    /// The key's app.
    pub app_id: &'r AppId,
    /// Whether the key has no limit on age.
    pub may_report_old: bool,
    /// The gateway's clock.
    pub received_time_ms: i64,
    /// How far the client's clock is behind ours, where it is clearly wrong.
    pub clock_correction_ms: Option<i64>,
    /// The limits in force.
    pub limits: &'r EventLimits,
    /// The app's tracking plan.
    pub plan: &'r TrackingPlan,
}

/// How far a client's clock is behind ours, if that is clearly more than the network's delay.
///
/// A send time that may be that of an earlier try tells nothing when it is old, so only a clock
/// that is ahead is corrected by it.
pub fn clock_correction_ms(sent_at: Option<SentAt>, received_ms: i64, limits: &EventLimits) -> Option<i64> {
    let sent_at = sent_at?;
    let behind = received_ms.checked_sub(sent_at.ms)?;
    let bound = i64::from(limits.clock_skew_minutes_max) * MINUTE_MS;
    let is_wrong = behind < -bound || (sent_at.is_fresh && behind > bound);
    is_wrong.then_some(behind)
}

impl Draft<'_> {
    /// How far its client's clock is behind ours, where that is clearly wrong: by the record's own
    /// send time, else by the request's.
    pub fn clock_correction_ms(&self, about: &Admission<'_>) -> Option<i64> {
        match self.sent_at {
            Some(own) => clock_correction_ms(Some(own), about.received_time_ms, about.limits),
            None => about.clock_correction_ms,
        }
    }
}

/// Checks a draft and makes it an [`Event`], with warnings about what was odd. `fallback_id` is the
/// event's id if nothing in it tells it from others.
///
/// # Errors
/// The rejection names the field, the limit, and what was expected.
pub fn admit<'a>(
    draft: &Draft<'a>,
    about: &Admission<'_>,
    origin: Origin<'a>,
    fallback_id: impl FnOnce() -> Uuid,
) -> Result<(Event<'a>, Vec<Warning>), Rejection> {
    let limits = about.limits;
    let size = draft.raw.len().max(draft.properties.get().len());
    if size > limits.event_bytes_max {
        let max = limits.event_bytes_max;
        let message = format!("{size} bytes; the limit event_bytes_max is {max}");
        return Err(Rejection::new(RejectionCode::EventTooLarge, "", message));
    }
    let mut warnings = draft.warnings.clone();
    let event = name(&draft.event, limits)?;
    let user_id = id(&draft.user_id, "user_id", limits)?;
    let device_id = id(&draft.device_id, "device_id", limits)?;
    if user_id.is_empty() && device_id.is_empty() && !draft.is_about_nobody {
        let message = "say whose event it is by user_id or device_id";
        return Err(Rejection::new(RejectionCode::IdentityMissing, "user_id", message));
    }
    if let Identifier::Named(named) = &draft.id {
        id(named, "id", limits)?;
    }
    let (event_time_ms, client_time_ms) = time(draft, about, &mut warnings)?;
    let properties = own_fields(draft, about, &mut warnings)?;
    let event = Event {
        app_id: about.app_id.clone(),
        event_id: draft.event_id(about.app_id).unwrap_or_else(fallback_id),
        event,
        event_time_ms,
        client_time_ms,
        received_time_ms: about.received_time_ms,
        user_id,
        device_id,
        linked_id: id(&draft.linked_id, "linked_id", limits)?,
        session_id: id(&draft.session_id, "session_id", limits)?,
        platform: id(&draft.platform, "platform", limits)?,
        app_version: id(&draft.app_version, "app_version", limits)?,
        library: id(&draft.library, "library", limits)?,
        origin,
        properties,
    };
    Ok((event, warnings))
}

fn own_fields<'a>(
    draft: &Draft<'a>,
    about: &Admission<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Cow<'a, RawValue>, Rejection> {
    let admitted = properties::admit(draft.properties.get(), about.limits, warnings)?;
    let fitting =
        if about.plan.is_silent() { admitted } else { about.plan.apply(&draft.event, admitted, warnings)? };
    Ok(match fitting {
        Cow::Borrowed(_unchanged) => draft.properties.clone(),
        Cow::Owned(text) => Cow::Owned(
            RawValue::from_string(text).expect("mended properties are JSON: properties::admit and the plan"),
        ),
    })
}

/// The event's time and, where it was corrected, the client's own.
fn time(
    draft: &Draft<'_>,
    about: &Admission<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<(i64, Option<i64>), Rejection> {
    let (now, limits) = (about.received_time_ms, about.limits);
    let Some(client_ms) = draft.time_ms else { return Ok((now, None)) };
    let (time_ms, kept) = match draft.clock_correction_ms(about) {
        Some(behind) => {
            let message = format!("the client's clock is {} s off; its time was corrected", behind / 1000);
            warnings.push(Warning::new(WarningCode::ClockCorrected, "time", message));
            (client_ms.saturating_add(behind), Some(client_ms))
        }
        None => (client_ms, None),
    };
    if time_ms > now + i64::from(limits.future_minutes_max) * MINUTE_MS {
        let message = format!(
            "the time lies {} minutes ahead; the limit future_minutes_max is {}",
            (time_ms - now) / MINUTE_MS,
            limits.future_minutes_max
        );
        return Err(Rejection::new(RejectionCode::TimeInFuture, "time", message));
    }
    if time_ms < 0 {
        let message = "the time lies before 1970";
        return Err(Rejection::new(RejectionCode::TimeInvalid, "time", message));
    }
    if time_ms < now - i64::from(limits.late_days_max) * DAY_MS && !about.may_report_old {
        let message = format!(
            "the event is {} days old; the limit late_days_max is {} (a key made with --may-report-old has none)",
            (now - time_ms) / DAY_MS,
            limits.late_days_max
        );
        return Err(Rejection::new(RejectionCode::TimeTooOld, "time", message));
    }
    Ok((time_ms, kept))
}

fn name<'a>(name: &Cow<'a, str>, limits: &EventLimits) -> Result<Cow<'a, str>, Rejection> {
    if name.is_empty() {
        let message = "every event needs a name, a text that is not empty";
        return Err(Rejection::new(RejectionCode::Missing, "event", message));
    }
    bounded(name, "event", ("name_chars_max", limits.name_chars_max))
}

fn id<'a>(text: &Cow<'a, str>, field: &'static str, limits: &EventLimits) -> Result<Cow<'a, str>, Rejection> {
    bounded(text, field, ("id_chars_max", limits.id_chars_max))
}

fn bounded<'a>(
    text: &Cow<'a, str>,
    field: &'static str,
    (limit, max): (&str, usize),
) -> Result<Cow<'a, str>, Rejection> {
    if text.len() > max {
        let count = text.chars().count();
        if count > max {
            let message = format!("{count} characters; the limit {limit} is {max}");
            let expected = format!("at most {max} characters");
            return Err(Rejection::new(RejectionCode::TooLong, field, message).because(expected, text));
        }
    }
    if text.chars().any(char::is_control) {
        let message = format!("{field} must not hold control characters");
        return Err(Rejection::new(RejectionCode::InvalidName, field, message));
    }
    Ok(text.clone())
}
