//! PostHog, the endpoints of all its clients but the newest: `{"api_key": …, "batch": […]}`, a
//! bare array, or one bare event; as JSON, gzip without a word about it, base64, or base64 in a
//! form.
//!
//! Its clients agree on 503 alone: the browser's forgets its data on every 4xx, 429 included, so
//! whatever may succeed later is answered with 503. On 413 the client for Node sends halves.

mod event;
mod identity;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

pub(super) use self::event::Message;
use crate::elements::{Elements, parse};
use crate::encoding::{base64, form_value, plain, utf8};
use crate::object::{text_if_any, utc_instant};
use crate::{Batch, Format, Head, Refusal, Refused, Reply, Report, SentAt, Unreadable, WireLimits};

/// PostHog's clients.
pub const POSTHOG: PostHog = PostHog;

/// See [`POSTHOG`].
#[derive(Debug)]
pub struct PostHog;

/// Clients that send the time of each try. The others send none, or that of the first one again.
const FRESH: [&str; 2] = ["web/", "posthog-python/"];

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    batch: Option<Elements<'a>>,
    #[serde(borrow, default)]
    api_key: Option<&'a RawValue>,
    #[serde(borrow, default)]
    token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sent_at: Option<&'a RawValue>,
}

impl Format for PostHog {
    fn name(&self) -> &'static str {
        "posthog"
    }

    fn payload(&self, head: &Head<'_>, body: Bytes, limits: &WireLimits) -> Result<Bytes, Unreadable> {
        if head.method == Method::GET {
            let data = head.query_value("data").unwrap_or_default();
            return unwrapped(data.into_owned().into(), limits);
        }
        unwrapped(plain(body, head.says_gzip(), limits)?, limits)
    }

    fn decode<'a>(
        &self,
        head: &Head<'a>,
        payload: &'a [u8],
        limits: &WireLimits,
    ) -> Result<Batch<'a>, Unreadable> {
        let text = utf8(payload)?;
        let (events, mut key, sent_at) = if text.trim_start().starts_with('[') {
            (parse(text)?, Cow::default(), None)
        } else {
            let envelope: Envelope<'a> = parse(text)?;
            let key = text_if_any(envelope.api_key.or(envelope.token));
            match envelope.batch {
                Some(events) => (events, key, envelope.sent_at),
                None => (Elements::one(parse(text)?), key, envelope.sent_at),
            }
        };
        let sent_at_ms = match sent_at {
            Some(raw) => utc_instant(raw),
            None => head.query_value("_").and_then(|ms| ms.parse().ok()),
        };
        let mut is_fresh = None;
        let events = events.within(limits)?.into_iter().map(|raw| {
            let message = Message::read(raw.get())?;
            if key.is_empty() {
                key = message.key();
            }
            let draft = message.draft(sent_at_ms).map_err(|why| Refused::new(raw.get(), why))?;
            is_fresh.get_or_insert_with(|| FRESH.iter().any(|name| draft.library.starts_with(name)));
            Ok(draft)
        });
        let events = events.collect();
        Ok(Batch {
            key: (!key.is_empty()).then_some(key),
            events,
            sent_at: sent_at_ms.map(|ms| SentAt { ms, is_fresh: is_fresh.unwrap_or_default() }),
            ..Batch::default()
        })
    }

    fn reply(&self, _head: &Head<'_>, _batch: &Batch<'_>, _report: &Report) -> Reply {
        Reply::json(200, &serde_json::json!({ "status": 1 }))
    }

    fn refuse(&self, _head: &Head<'_>, refusal: &Refusal<'_>) -> Reply {
        Reply::refused(refusal.status_or_503(), refusal)
    }
}

/// The JSON in a body, whatever is around it. What the query says of the compression is not asked:
/// the bytes tell more reliably.
pub(super) fn unwrapped(body: Bytes, limits: &WireLimits) -> Result<Bytes, Unreadable> {
    let bare = body.trim_ascii_start();
    if bare.starts_with(b"{") || bare.starts_with(b"[") {
        return Ok(body);
    }
    let data = match form_value(bare, "data") {
        Some(data) if data.trim_start().starts_with(['{', '[']) => return Ok(data.into_owned().into()),
        Some(data) => base64(data.as_bytes())?,
        None => base64(bare)?,
    };
    plain(data.into(), false, limits)
}
