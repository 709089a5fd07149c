//! Segment and RudderStack: servers that post `{"batch": […]}`, browsers that post one message to
//! an address which says its kind.
//!
//! Their clients agree on little but this: 200 is success, 503 is sent again. 408 loses data in
//! two of them, so whatever may succeed later is answered with 503, except 429, which all know.

mod context;
mod message;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::value::RawValue;
use suanpan_event::parse_time;

use self::context::Context;
use self::message::Message;
use crate::elements::{Elements, parse};
use crate::encoding::utf8;
use crate::object::{text_if_any, utc_instant};
use crate::{Batch, Format, Head, Refusal, Reply, Report, SentAt, Unreadable, WireLimits};

/// Segment's and RudderStack's clients.
pub const SEGMENT: Segment = Segment;

/// See [`SEGMENT`].
#[derive(Debug)]
pub struct Segment;

/// Clients that send the time of each try. The others send that of the first one again, or were
/// not looked at. RudderStack's client for Node is called `analytics-node` too.
const FRESH: [&str; 4] =
    ["@segment/analytics-node", "analytics.js", "analytics-python", "RudderLabs JavaScript SDK"];

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    batch: Option<Elements<'a>>,
    #[serde(borrow, default, rename = "writeKey")]
    write_key: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "sentAt")]
    sent_at: Option<&'a RawValue>,
    /// Some clients say only here which library they are.
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
}

impl Format for Segment {
    fn name(&self) -> &'static str {
        "segment"
    }

    fn decode<'a>(
        &self,
        head: &Head<'a>,
        payload: &'a [u8],
        limits: &WireLimits,
    ) -> Result<Batch<'a>, Unreadable> {
        let text = utf8(payload)?;
        let envelope: Envelope<'a> = parse(text)?;
        let (messages, shared) = match envelope.batch {
            Some(messages) => (messages, envelope.context),
            None => (Elements::one(parse(text)?), None),
        };
        let shared = shared.and_then(|raw| Context::read(raw.get()).ok()).unwrap_or_default();
        let mut is_fresh = None;
        let events = messages.within(limits)?.into_iter().map(|raw| {
            let message = Message::read(raw.get(), kind_of_path(head.path))?;
            is_fresh.get_or_insert_with(|| FRESH.contains(&&*message.library_name(&shared)));
            message.draft(&shared)
        });
        let events = events.collect();
        // RudderStack's client for browsers says it in the head, and beside each message of a batch.
        let said = envelope.sent_at.and_then(utc_instant);
        let sent_at = said.or_else(|| parse_time(head.header("sentat")?));
        let key = text_if_any(envelope.write_key);
        Ok(Batch {
            key: if key.is_empty() { head.query_value("writeKey") } else { Some(key) },
            events,
            sent_at: sent_at.map(|ms| SentAt { ms, is_fresh: is_fresh.unwrap_or_default() }),
            ..Batch::default()
        })
    }

    fn reply(&self, _head: &Head<'_>, _batch: &Batch<'_>, _report: &Report) -> Reply {
        Reply::json(200, &serde_json::json!({ "success": true }))
    }

    fn refuse(&self, _head: &Head<'_>, refusal: &Refusal<'_>) -> Reply {
        let status = if refusal.status == 429 { 429 } else { refusal.status_or_503() };
        Reply::refused(status, refusal)
    }
}

/// The kind of message that is posted here; none where it says its kind itself.
fn kind_of_path(path: &str) -> Option<&'static str> {
    Some(match path.trim_end_matches('/').rsplit('/').next()? {
        "track" | "t" => "track",
        "identify" | "i" => "identify",
        "page" | "p" => "page",
        "screen" | "s" => "screen",
        "group" | "g" => "group",
        "alias" | "a" => "alias",
        _ => return None,
    })
}
