use std::borrow::Cow;

use serde_json::value::RawValue;
use suanpan_event::properties::{self, Properties, kind_of};
use suanpan_event::{
    AppId, Event, EventLimits, Rejection, RejectionCode, Warning, WarningCode, derived_id, named_id,
};
use uuid::Uuid;

use crate::native::instant;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// The fields of an event in Suanpan's own format.
const FIELDS: [&str; 10] = [
    "id",
    "event",
    "time",
    "user_id",
    "device_id",
    "session_id",
    "platform",
    "app_version",
    "library",
    "properties",
];

/// What all events of one request share.
pub(crate) struct Circumstances<'a> {
    pub app_id: &'a AppId,
    pub may_report_old: bool,
    pub received_time_ms: i64,
    /// How far the client's clock is behind ours, where it is clearly wrong.
    pub clock_correction_ms: Option<i64>,
    pub limits: &'a EventLimits,
}

/// How far a client's clock is behind ours, if that is clearly more than the network's delay.
pub(crate) fn clock_correction_ms(
    sent_at_ms: Option<i64>,
    received_ms: i64,
    limits: &EventLimits,
) -> Option<i64> {
    let behind = received_ms.checked_sub(sent_at_ms?)?;
    let bound = i64::from(limits.clock_skew_minutes_max) * MINUTE_MS;
    (behind.unsigned_abs() > bound.unsigned_abs()).then_some(behind)
}

/// Checks one event and makes it an [`Event`], with warnings about what was odd.
pub(crate) fn admit<'a>(
    raw: &'a RawValue,
    about: &Circumstances<'_>,
) -> Result<(Event<'a>, Vec<Warning>), Rejection> {
    let text = raw.get();
    if text.len() > about.limits.event_bytes_max {
        let (size, max) = (text.len(), about.limits.event_bytes_max);
        let message = format!("{size} bytes; the limit event_bytes_max is {max}");
        return Err(Rejection::new(RejectionCode::EventTooLarge, "", message));
    }
    let mut warnings = Vec::new();
    let fields = Fields::read(text, &mut warnings)?;
    let event = fields.name("event", about.limits)?;
    let user_id = fields.id("user_id", about.limits)?;
    let device_id = fields.id("device_id", about.limits)?;
    if user_id.is_empty() && device_id.is_empty() {
        let message = "say whose event it is by user_id or device_id";
        return Err(Rejection::new(RejectionCode::IdentityMissing, "user_id", message));
    }
    let (event_time_ms, client_time_ms) = time(&fields, about, &mut warnings)?;
    let event_id = match fields.id("id", about.limits)? {
        id if !id.is_empty() => named_id(&id),
        _ if fields.get("time").is_some() => derived_id(about.app_id, text),
        // Without an id and a time of its own, two equal records may well be two events.
        _ => Uuid::now_v7(),
    };
    let event = Event {
        app_id: about.app_id.clone(),
        event_id,
        event,
        event_time_ms,
        client_time_ms,
        received_time_ms: about.received_time_ms,
        user_id,
        device_id,
        session_id: fields.id("session_id", about.limits)?,
        platform: fields.id("platform", about.limits)?,
        app_version: fields.id("app_version", about.limits)?,
        library: fields.id("library", about.limits)?,
        properties: own_fields(&fields, about.limits, &mut warnings)?,
    };
    Ok((event, warnings))
}

fn own_fields<'a>(
    fields: &Fields<'a>,
    limits: &EventLimits,
    warnings: &mut Vec<Warning>,
) -> Result<Cow<'a, RawValue>, Rejection> {
    let Some(raw) = fields.get("properties") else {
        return Ok(Cow::Owned(RawValue::from_string("{}".to_owned()).expect("{} is JSON")));
    };
    match properties::admit(raw.get(), limits, warnings)? {
        Cow::Borrowed(_unchanged) => Ok(Cow::Borrowed(raw)),
        Cow::Owned(text) => Ok(Cow::Owned(
            RawValue::from_string(text).expect("mended properties are JSON: properties::admit"),
        )),
    }
}

/// The event's time and, where it was corrected, the client's own.
fn time(
    fields: &Fields<'_>,
    about: &Circumstances<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<(i64, Option<i64>), Rejection> {
    let now = about.received_time_ms;
    let Some(raw) = fields.get("time") else { return Ok((now, None)) };
    let invalid = || {
        let message = format!(
            "{} is no time: send RFC 3339 such as \"2026-03-01T08:00:00+08:00\", or milliseconds since 1970",
            excerpt(raw.get())
        );
        Rejection::new(RejectionCode::TimeInvalid, "time", message)
    };
    let client_ms = instant(raw).filter(|ms| *ms >= 0).ok_or_else(invalid)?;
    let (time_ms, kept) = match about.clock_correction_ms {
        Some(behind) => {
            let message = format!("the client's clock is {} s off; its time was corrected", behind / 1000);
            warnings.push(Warning::new(WarningCode::ClockCorrected, "time", message));
            (client_ms.saturating_add(behind), Some(client_ms))
        }
        None => (client_ms, None),
    };
    let limits = about.limits;
    if time_ms > now + i64::from(limits.future_minutes_max) * MINUTE_MS {
        let message = format!(
            "the time lies {} minutes ahead; the limit future_minutes_max is {}",
            (time_ms - now) / MINUTE_MS,
            limits.future_minutes_max
        );
        return Err(Rejection::new(RejectionCode::TimeInFuture, "time", message));
    }
    if time_ms < 0 {
        return Err(invalid());
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

/// An event's top-level fields; null and absent are the same.
struct Fields<'a>(Vec<(&'static str, &'a RawValue)>);

impl<'a> Fields<'a> {
    fn read(text: &'a str, warnings: &mut Vec<Warning>) -> Result<Self, Rejection> {
        if !text.starts_with('{') {
            let message = format!("an event is an object, not {}", kind_of(text));
            return Err(Rejection::new(RejectionCode::Malformed, "", message));
        }
        let object = Properties::parse(text)
            .map_err(|e| Rejection::new(RejectionCode::Malformed, "", e.to_string()))?;
        let mut known = Vec::with_capacity(FIELDS.len());
        for (name, value) in object.raw() {
            match FIELDS.iter().find(|field| **field == name) {
                Some(_) if value.get() == "null" => {}
                Some(field) if known.iter().any(|(seen, _)| seen == field) => {
                    Warning::add(warnings, || {
                        let message = "given twice; the first value was kept";
                        Warning::new(WarningCode::DuplicateProperty, *field, message)
                    });
                }
                Some(field) => known.push((*field, value)),
                None => Warning::add(warnings, || unknown_field(name)),
            }
        }
        Ok(Self(known))
    }

    fn get(&self, field: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(name, _)| *name == field).map(|(_, value)| *value)
    }

    /// A name that every event needs.
    fn name(&self, field: &'static str, limits: &EventLimits) -> Result<Cow<'a, str>, Rejection> {
        let name = self.text(field)?;
        if name.is_empty() {
            let message = format!("every event needs {field}, a text that is not empty");
            return Err(Rejection::new(RejectionCode::Missing, field, message));
        }
        bounded(name, field, ("name_chars_max", limits.name_chars_max))
    }

    /// An id or other short text; empty if absent.
    fn id(&self, field: &'static str, limits: &EventLimits) -> Result<Cow<'a, str>, Rejection> {
        bounded(self.text(field)?, field, ("id_chars_max", limits.id_chars_max))
    }

    /// A text; whole numbers are taken as their digits, since servers often send numeric ids.
    fn text(&self, field: &'static str) -> Result<Cow<'a, str>, Rejection> {
        let Some(raw) = self.get(field) else { return Ok(Cow::Borrowed("")) };
        let text = raw.get();
        match text.as_bytes()[0] {
            b'"' if !text.contains('\\') => Ok(Cow::Borrowed(&text[1..text.len() - 1])),
            b'"' => serde_json::from_str::<String>(text)
                .map(Cow::Owned)
                .map_err(|e| Rejection::new(RejectionCode::Malformed, field, e.to_string())),
            b'-' | b'0'..=b'9' if !text.contains(['.', 'e', 'E']) => Ok(Cow::Borrowed(text)),
            _ => {
                let message = format!("{field} must be a text, not {}", kind_of(text));
                Err(Rejection::new(RejectionCode::WrongType, field, message))
            }
        }
    }
}

fn bounded<'a>(
    text: Cow<'a, str>,
    field: &'static str,
    (limit, max): (&str, usize),
) -> Result<Cow<'a, str>, Rejection> {
    if text.len() > max {
        let count = text.chars().count();
        if count > max {
            let message = format!("{count} characters; the limit {limit} is {max}");
            return Err(Rejection::new(RejectionCode::TooLong, field, message));
        }
    }
    if text.chars().any(char::is_control) {
        let message = format!("{field} must not hold control characters");
        return Err(Rejection::new(RejectionCode::InvalidName, field, message));
    }
    Ok(text)
}

fn unknown_field(name: &str) -> Warning {
    let name: String = name.chars().take(64).collect();
    let message = "the format has no such field, it was ignored; fields of your own go into properties";
    Warning::new(WarningCode::UnknownField, name, message)
}

fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}
