//! PostHog's newest endpoint, `/i/v1/analytics/events`, which answers for each event by itself.
//!
//! The name of the library and the time of each try are in the head; an event carries a few of its
//! properties beside the others. A body without results is an error to its clients, a refused
//! event is told as `drop`, and 503 makes them come again.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::posthog::{Message, POSTHOG};
use crate::elements::{Elements, parse};
use crate::encoding::utf8;
use crate::object::{Object, text_if_any, utc_instant};
use crate::{
    Batch, EventResult, Format, Head, Identifier, Refusal, Refused, Reply, Report, SentAt, Status,
    Unreadable, WireLimits,
};

/// PostHog's clients for servers, in their new mode.
pub const POSTHOG_V1: PostHogV1 = PostHogV1;

/// See [`POSTHOG_V1`].
#[derive(Debug)]
pub struct PostHogV1;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    batch: Elements<'a>,
    #[serde(borrow, default)]
    api_key: Option<&'a RawValue>,
    /// When the first try was made.
    #[serde(borrow, default)]
    created_at: Option<&'a RawValue>,
}

/// What is said of one event.
#[derive(Serialize)]
struct Directive<'r> {
    result: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    details: &'r str,
}

impl Format for PostHogV1 {
    fn name(&self) -> &'static str {
        "posthog"
    }

    fn payload(&self, head: &Head<'_>, body: Bytes, limits: &WireLimits) -> Result<Bytes, Unreadable> {
        POSTHOG.payload(head, body, limits)
    }

    fn decode<'a>(
        &self,
        head: &Head<'a>,
        payload: &'a [u8],
        limits: &WireLimits,
    ) -> Result<Batch<'a>, Unreadable> {
        let envelope: Envelope<'a> = parse(utf8(payload)?)?;
        let library = head.header("posthog-sdk-info").unwrap_or("");
        let events = envelope.batch.within(limits)?.into_iter().map(|raw| {
            let read = Message::read(raw.get())?.draft(None);
            let mut draft = read.map_err(|rejection| Refused::new(raw.get(), rejection))?;
            if draft.library.is_empty() {
                draft.library = library.into();
            }
            Ok(draft)
        });
        let key = text_if_any(envelope.api_key);
        Ok(Batch {
            key: (!key.is_empty()).then_some(key),
            events: events.collect(),
            sent_at: sent_at(head, envelope.created_at),
            ..Batch::default()
        })
    }

    fn reply(&self, _head: &Head<'_>, batch: &Batch<'_>, report: &Report) -> Reply {
        Reply::json(200, &Directives { batch, report })
    }

    fn refuse(&self, head: &Head<'_>, refusal: &Refusal<'_>) -> Reply {
        POSTHOG.refuse(head, refusal)
    }
}

fn sent_at(head: &Head<'_>, created_at: Option<&RawValue>) -> Option<SentAt> {
    let given = head.header("posthog-request-timestamp");
    match given.and_then(suanpan_event::parse_time) {
        Some(ms) => Some(SentAt { ms, is_fresh: true }),
        None => created_at.and_then(utc_instant).map(|ms| SentAt { ms, is_fresh: false }),
    }
}

/// `{"results": {UUID: {"result": …}}}`.
struct Directives<'r> {
    batch: &'r Batch<'r>,
    report: &'r Report,
}

impl Serialize for Directives<'_> {
    fn serialize<S: serde::Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Whole<'r> {
            results: Results<'r>,
        }
        Whole { results: Results(self) }.serialize(json)
    }
}

struct Results<'r>(&'r Directives<'r>);

impl Serialize for Results<'_> {
    fn serialize<S: serde::Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        let Directives { batch, report } = self.0;
        let all = batch.events.iter().zip(&report.results);
        json.collect_map(all.filter_map(|(event, result)| {
            let uuid = match event {
                Ok(draft) => match &draft.id {
                    Identifier::Named(uuid) => uuid.clone(),
                    Identifier::Record(_) | Identifier::Whole => return None,
                },
                Err(refused) => Object::read(&refused.raw, "").ok()?.text_if_any("uuid"),
            };
            (!uuid.is_empty()).then(|| (uuid, directive(result)))
        }))
    }
}

fn directive(result: &EventResult) -> Directive<'_> {
    match result.status {
        Status::Ok | Status::Warning | Status::Duplicate => Directive { result: "ok", details: "" },
        Status::Rejected => Directive { result: "drop", details: &result.message },
    }
}
