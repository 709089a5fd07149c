//! Amplitude: `{"api_key": …, "events": […], "client_upload_time": …}`.
//!
//! Its clients read the number `code` in an answer's JSON before they look at the status, and send
//! again what has none, even with 200. A code of 5xx is sent again, 413 in smaller parts; another
//! 4xx is sent again too, unless it names a missing field or says `Invalid API key` first. The
//! code 429 makes them drop whatever it does not name, so quotas are told as 503.

mod event;
#[cfg(test)]
mod tests;

use http::header::CONTENT_LENGTH;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::event::Message;
use crate::elements::{Elements, parse};
use crate::encoding::utf8;
use crate::object::{text_if_any, utc_instant};
use crate::{Batch, Format, Head, Refusal, Refused, Reply, Report, SentAt, Unreadable, WireLimits};

/// Amplitude's clients.
pub const AMPLITUDE: Amplitude = Amplitude;

/// See [`AMPLITUDE`].
#[derive(Debug)]
pub struct Amplitude;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    events: Elements<'a>,
    #[serde(borrow, default)]
    api_key: Option<&'a RawValue>,
    #[serde(borrow, default)]
    client_upload_time: Option<&'a RawValue>,
}

impl Format for Amplitude {
    fn name(&self) -> &'static str {
        "amplitude"
    }

    fn decode<'a>(
        &self,
        _head: &Head<'a>,
        payload: &'a [u8],
        limits: &WireLimits,
    ) -> Result<Batch<'a>, Unreadable> {
        let envelope: Envelope<'a> = parse(utf8(payload)?)?;
        let events = envelope.events.within(limits)?.into_iter().map(|raw| {
            let read = Message::read(raw.get()).and_then(|message| message.draft(raw.get()));
            read.map_err(|rejection| Refused::new(raw.get(), rejection))
        });
        let sent_at = envelope.client_upload_time.and_then(utc_instant);
        let key = text_if_any(envelope.api_key);
        Ok(Batch {
            key: (!key.is_empty()).then_some(key),
            events: events.collect(),
            sent_at: sent_at.map(|ms| SentAt { ms, is_fresh: true }),
            ..Batch::default()
        })
    }

    fn reply(&self, head: &Head<'_>, _batch: &Batch<'_>, report: &Report) -> Reply {
        #[derive(Serialize)]
        struct Ingested {
            code: u16,
            events_ingested: usize,
            payload_size_bytes: usize,
        }
        let sent_bytes = head.header(CONTENT_LENGTH).and_then(|bytes| bytes.parse().ok());
        let events_ingested = report.accepted + report.duplicate;
        Reply::json(
            200,
            &Ingested { code: 200, events_ingested, payload_size_bytes: sent_bytes.unwrap_or(0) },
        )
    }

    fn refuse(&self, _head: &Head<'_>, refusal: &Refusal<'_>) -> Reply {
        #[derive(Serialize)]
        struct Told<'r> {
            code: u16,
            error: String,
            #[serde(skip_serializing_if = "str::is_empty")]
            missing_field: &'r str,
        }
        let status = refusal.status_or_503();
        let is_about_key = matches!(status, 401 | 403);
        let told = Told {
            code: status,
            error: if is_about_key {
                format!("Invalid API key: {}", refusal.detail)
            } else {
                refusal.detail.into()
            },
            // Any text here ends the tries of a request that will never be taken.
            missing_field: if status < 500 && status != 413 { refusal.code } else { "" },
        };
        Reply::json(status, &told)
    }
}
