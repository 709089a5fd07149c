//! Umami: one event a request. There is no person, unless the site names one: visitors are told
//! apart by their address, `User-Agent` and day.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use suanpan_event::properties::kind_of;
use suanpan_event::{Rejection, RejectionCode};

use crate::elements::parse;
use crate::encoding::utf8;
use crate::formats::native::time_invalid;
use crate::names;
use crate::object::{ObjectWriter, each_field, optional_text, seconds_or_milliseconds, text_if_any};
use crate::page::add_address;
use crate::{Batch, Draft, Format, Head, Reply, Report, Unreadable, WireLimits};

/// Umami's clients.
pub const UMAMI: Umami = Umami;

/// See [`UMAMI`].
#[derive(Debug)]
pub struct Umami;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// The fields of a payload that mean something.
#[derive(Debug, Default)]
struct Payload<'a> {
    website: Option<&'a RawValue>,
    name: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    url: Option<&'a RawValue>,
    hostname: Option<&'a RawValue>,
    title: Option<&'a RawValue>,
    referrer: Option<&'a RawValue>,
    language: Option<&'a RawValue>,
    screen: Option<&'a RawValue>,
    tag: Option<&'a RawValue>,
    ip: Option<&'a RawValue>,
    user_agent: Option<&'a RawValue>,
    timestamp: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
}

impl Format for Umami {
    fn name(&self) -> &'static str {
        "umami"
    }

    fn decode<'a>(
        &self,
        _head: &Head<'a>,
        payload: &'a [u8],
        _limits: &WireLimits,
    ) -> Result<Batch<'a>, Unreadable> {
        let raw = utf8(payload)?.trim();
        let envelope: Envelope<'a> = parse(raw)?;
        let mut key = Cow::Borrowed("");
        let draft = Payload::read(envelope.payload).and_then(|payload| {
            key = optional_text(payload.website, "website")?;
            payload.draft(raw, &envelope.kind)
        });
        Ok(Batch::of_one(raw, key, draft))
    }

    fn reply(&self, _head: &Head<'_>, _batch: &Batch<'_>, _report: &Report) -> Reply {
        // Umami's own server adds a token of the session, which clients that get none do without.
        Reply::json(200, &serde_json::json!({ "ok": true }))
    }
}

impl<'a> Payload<'a> {
    fn read(raw: &'a RawValue) -> Result<Self, Rejection> {
        let mut payload = Self::default();
        each_field(raw.get(), "payload", |name, value| {
            let place = match name {
                "website" => &mut payload.website,
                "name" => &mut payload.name,
                "id" => &mut payload.id,
                "url" => &mut payload.url,
                "hostname" => &mut payload.hostname,
                "title" => &mut payload.title,
                "referrer" => &mut payload.referrer,
                "language" => &mut payload.language,
                "screen" => &mut payload.screen,
                "tag" => &mut payload.tag,
                "ip" => &mut payload.ip,
                "userAgent" => &mut payload.user_agent,
                "timestamp" => &mut payload.timestamp,
                "data" => &mut payload.data,
                _ => return,
            };
            place.get_or_insert(value);
        })?;
        Ok(payload)
    }

    fn draft(&self, raw: &'a str, kind: &str) -> Result<Draft<'a>, Rejection> {
        let name = optional_text(self.name, "name")?;
        let is_identify = kind == "identify";
        let event = match name {
            _ if is_identify => names::IDENTIFY.into(),
            name if name.is_empty() => names::PAGEVIEW.into(),
            name => name,
        };
        let user_id = optional_text(self.id, "id")?;
        Ok(Draft {
            event,
            time_ms: self.time()?,
            is_anonymous_visitor: true,
            user_id,
            platform: "web".into(),
            ip: text_if_any(self.ip).parse().ok(),
            user_agent: text_if_any(self.user_agent),
            properties: self.properties(raw.len(), is_identify)?,
            ..Draft::of(raw)
        })
    }

    fn time(&self) -> Result<Option<i64>, Rejection> {
        let Some(raw) = self.timestamp else { return Ok(None) };
        seconds_or_milliseconds(raw).map(Some).ok_or_else(|| time_invalid("timestamp", raw.get()))
    }

    fn properties(&self, size: usize, is_identify: bool) -> Result<Cow<'a, RawValue>, Rejection> {
        let mut out = ObjectWriter::with_capacity(size + 64);
        if let Some(data) = self.data {
            if is_identify {
                out.raw(names::SET, data);
            } else {
                out.all(object(data)?);
            }
        }
        add_address(&mut out, &text_if_any(self.url), false);
        for (name, value) in [
            (names::PAGE_TITLE, self.title),
            (names::PAGE_REFERRER, self.referrer),
            (names::LOCALE, self.language),
            (names::PAGE_HOST, self.hostname),
            (names::SCREEN_SIZE, self.screen),
            (names::TAG, self.tag),
        ] {
            out.text(name, &text_if_any(value));
        }
        out.finish()
    }
}

fn object(data: &RawValue) -> Result<&RawValue, Rejection> {
    if data.get().starts_with('{') {
        return Ok(data);
    }
    let message = format!("expected an object, not {}", kind_of(data.get()));
    Err(Rejection::new(RejectionCode::Malformed, "data", message).because("object", data.get()))
}
