//! Suanpan's own format: `{"events": […], "sent_at": …}`, a bare array of events, or one bare
//! event; as a body, or in the query of a beacon.

use std::borrow::Cow;
use std::net::IpAddr;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use suanpan_event::properties::{Properties, kind_of};
use suanpan_event::{Rejection, RejectionCode, Warning, WarningCode, excerpt};

use crate::batch::no_properties;
use crate::elements::{Elements, parse};
use crate::encoding::{plain, utf8};
use crate::object::{instant, text_of};
use crate::{Batch, Draft, Format, Head, Identifier, Refused, Reply, Report, SentAt, Unreadable, WireLimits};

/// Suanpan's own format.
pub const NATIVE: Native = Native;

/// See [`NATIVE`].
#[derive(Debug)]
pub struct Native;

/// The fields of an event.
const FIELDS: [&str; 14] = [
    "id",
    "event",
    "time",
    "user_id",
    "device_id",
    "linked_id",
    "session_id",
    "platform",
    "app_version",
    "library",
    "ip",
    "user_agent",
    "about_nobody",
    "properties",
];

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    events: Option<Elements<'a>>,
    #[serde(borrow, default)]
    sent_at: Option<&'a RawValue>,
    #[serde(default)]
    debug: bool,
}

impl Format for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn payload(&self, head: &Head<'_>, body: Bytes, limits: &WireLimits) -> Result<Bytes, Unreadable> {
        if head.method == Method::GET {
            let data = head.query_value("data").ok_or_else(|| {
                Unreadable::malformed("a beacon carries its event in the query: ?key=KEY&data=JSON")
            })?;
            return Ok(Bytes::from(data.into_owned()));
        }
        plain(body, head.says_gzip(), limits)
    }

    fn decode<'a>(
        &self,
        head: &Head<'a>,
        payload: &'a [u8],
        limits: &WireLimits,
    ) -> Result<Batch<'a>, Unreadable> {
        let text = utf8(payload)?;
        let (events, sent_at, is_debug) = if text.trim_start().starts_with('[') {
            (parse(text)?, None, false)
        } else {
            let envelope: Envelope<'a> = parse(text)?;
            match envelope.events {
                Some(events) => (events, envelope.sent_at.and_then(instant), envelope.debug),
                None => (Elements::one(parse(text)?), None, false),
            }
        };
        let events = events.within(limits)?.into_iter().map(|raw| draft(raw.get())).collect();
        Ok(Batch {
            key: head.query_value("key"),
            events,
            sent_at: sent_at.map(|ms| SentAt { ms, is_fresh: true }),
            is_debug,
            ..Batch::default()
        })
    }

    fn reply(&self, head: &Head<'_>, _batch: &Batch<'_>, report: &Report) -> Reply {
        if head.method == Method::GET { Reply::pixel() } else { Reply::json(200, report) }
    }
}

/// Reads one event of this format.
fn draft(text: &str) -> Result<Draft<'_>, Refused<'_>> {
    read(text).map_err(|rejection| Refused::new(text, rejection))
}

fn read(text: &str) -> Result<Draft<'_>, Rejection> {
    let mut warnings = Vec::new();
    let fields = Fields::read(text, &mut warnings)?;
    Ok(Draft {
        raw: text.into(),
        id: Identifier::Named(fields.text("id")?),
        event: fields.text("event")?,
        time_ms: fields.time()?,
        sent_at: None,
        user_id: fields.text("user_id")?,
        device_id: fields.text("device_id")?,
        linked_id: fields.text("linked_id")?,
        is_about_nobody: fields.get("about_nobody").is_some_and(|raw| raw.get() == "true"),
        is_anonymous_visitor: false,
        session_id: fields.text("session_id")?,
        platform: fields.text("platform")?,
        app_version: fields.text("app_version")?,
        library: fields.text("library")?,
        ip: fields.ip()?,
        user_agent: fields.text("user_agent")?,
        properties: fields.properties()?,
        warnings,
    })
}

/// An event's top-level fields; null and absent are the same.
struct Fields<'a>(Vec<(&'static str, &'a RawValue)>);

impl<'a> Fields<'a> {
    fn read(text: &'a str, warnings: &mut Vec<Warning>) -> Result<Self, Rejection> {
        if !text.starts_with('{') {
            let message = format!("an event is an object, not {}", kind_of(text));
            return Err(Rejection::new(RejectionCode::Malformed, "", message).because("object", text));
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

    fn text(&self, field: &'static str) -> Result<Cow<'a, str>, Rejection> {
        self.get(field).map_or(Ok(Cow::Borrowed("")), |raw| text_of(raw, field))
    }

    fn time(&self) -> Result<Option<i64>, Rejection> {
        let Some(raw) = self.get("time") else { return Ok(None) };
        match instant(raw).filter(|ms| *ms >= 0) {
            Some(ms) => Ok(Some(ms)),
            None => Err(time_invalid("time", raw.get())),
        }
    }

    fn ip(&self) -> Result<Option<IpAddr>, Rejection> {
        let text = self.text("ip")?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_not_an_address: std::net::AddrParseError| {
            let message = format!("{} is no IP address", excerpt(&text));
            Rejection::new(RejectionCode::WrongType, "ip", message).because("IP address", &text)
        })
    }

    fn properties(&self) -> Result<Cow<'a, RawValue>, Rejection> {
        match self.get("properties") {
            None => Ok(no_properties()),
            Some(raw) if raw.get().starts_with('{') => Ok(Cow::Borrowed(raw)),
            Some(raw) => {
                let message = format!("properties must be an object, not {}", kind_of(raw.get()));
                let rejection = Rejection::new(RejectionCode::WrongType, "properties", message);
                Err(rejection.because("object", raw.get()))
            }
        }
    }
}

/// The refusal of a time that is none.
pub(crate) fn time_invalid(field: &'static str, given: &str) -> Rejection {
    let message = format!(
        "{} is no time: send RFC 3339 such as \"2026-03-01T08:00:00+08:00\", or milliseconds since 1970",
        excerpt(given)
    );
    Rejection::new(RejectionCode::TimeInvalid, field, message).because("RFC 3339 text or milliseconds", given)
}

fn unknown_field(name: &str) -> Warning {
    let name = excerpt(name);
    let message = "the format has no such field, it was ignored; fields of your own go into properties";
    Warning::new(WarningCode::UnknownField, name, message)
}
