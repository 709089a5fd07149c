//! Snowplow: its tracker protocol, version 2, as JSON to `tp2` or as the query of `/i`. All values
//! are texts with short names; what is an object goes as JSON or base64 inside one.
//!
//! Its clients send again, in order and for ever, unless the status is 2xx or one of a few that say
//! that the data is wrong. So whatever can never succeed must get one of those.

mod record;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use self::record::Record;
use crate::batch::claim_key;
use crate::elements::{Elements, parse};
use crate::encoding::{plain, utf8};
use crate::object::ObjectWriter;
use crate::{Batch, Format, Head, Refusal, Refused, Reply, Report, Unreadable, WireLimits};

/// Snowplow's trackers.
pub const SNOWPLOW: Snowplow = Snowplow;

/// See [`SNOWPLOW`].
#[derive(Debug)]
pub struct Snowplow;

/// The statuses upon which a tracker forgets its events.
const FINAL: [u16; 5] = [400, 401, 403, 410, 422];

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    data: Option<Elements<'a>>,
}

impl Format for Snowplow {
    fn name(&self) -> &'static str {
        "snowplow"
    }

    fn payload(&self, head: &Head<'_>, body: Bytes, limits: &WireLimits) -> Result<Bytes, Unreadable> {
        if head.method != Method::GET {
            return plain(body, head.says_gzip(), limits);
        }
        let mut record = ObjectWriter::with_capacity(head.query.len());
        for (name, value) in form_urlencoded::parse(head.query.as_bytes()) {
            record.text(&name, &value);
        }
        let record = record.finish().map_err(|rejection| Unreadable::malformed(rejection.message))?;
        Ok(Bytes::copy_from_slice(record.get().as_bytes()))
    }

    fn decode<'a>(
        &self,
        _head: &Head<'a>,
        payload: &'a [u8],
        limits: &WireLimits,
    ) -> Result<Batch<'a>, Unreadable> {
        let text = utf8(payload)?;
        let records = match parse::<Envelope<'a>>(text)?.data {
            Some(records) => records,
            None => Elements::one(parse::<&RawValue>(text)?),
        };
        let mut key = None;
        let mut events = Vec::new();
        for raw in records.within(limits)? {
            let read = Record::read(raw.get()).and_then(|record| {
                claim_key(&mut key, record.key()?)?;
                record.draft(raw.get())
            });
            events.push(read.map_err(|rejection| Refused::new(raw.get(), rejection)));
        }
        Ok(Batch { key, events, ..Batch::default() })
    }

    fn reply(&self, head: &Head<'_>, _batch: &Batch<'_>, _report: &Report) -> Reply {
        if head.method == Method::GET { Reply::pixel() } else { Reply::text(200, "ok") }
    }

    fn refuse(&self, _head: &Head<'_>, refusal: &Refusal<'_>) -> Reply {
        let status = refusal.status_or_503();
        let is_heard = refusal.is_temporary() || FINAL.contains(&status);
        Reply::refused(if is_heard { status } else { 400 }, refusal)
    }
}
