//! Plausible: one event a request, JSON under any media type. There is no person: visitors are told
//! apart by their address, `User-Agent` and day.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde_json::value::RawValue;
use suanpan_event::properties::kind_of;
use suanpan_event::{Rejection, RejectionCode};

use crate::elements::parse;
use crate::encoding::utf8;
use crate::names;
use crate::object::{ObjectWriter, each_field, optional_text, text_if_any, text_of};
use crate::page::add_address;
use crate::{Batch, Draft, Format, Head, Reply, Report, Unreadable, WireLimits};

/// Plausible's clients.
pub const PLAUSIBLE: Plausible = Plausible;

/// See [`PLAUSIBLE`].
#[derive(Debug)]
pub struct Plausible;

/// The fields of an event that mean something, by their short names.
#[derive(Debug, Default)]
struct Record<'a> {
    name: Option<&'a RawValue>,
    url: Option<&'a RawValue>,
    domain: Option<&'a RawValue>,
    referrer: Option<&'a RawValue>,
    screen_width: Option<&'a RawValue>,
    hash_mode: Option<&'a RawValue>,
    props: Option<&'a RawValue>,
    revenue: Option<&'a RawValue>,
}

impl Format for Plausible {
    fn name(&self) -> &'static str {
        "plausible"
    }

    fn decode<'a>(
        &self,
        _head: &Head<'a>,
        payload: &'a [u8],
        _limits: &WireLimits,
    ) -> Result<Batch<'a>, Unreadable> {
        let raw: &RawValue = parse(utf8(payload)?)?;
        let mut key = Cow::Borrowed("");
        let draft = Record::read(raw).and_then(|record| {
            key = record.key()?;
            record.draft(raw)
        });
        Ok(Batch::of_one(raw.get(), key, draft))
    }

    fn reply(&self, _head: &Head<'_>, _batch: &Batch<'_>, _report: &Report) -> Reply {
        Reply::text(202, "ok")
    }
}

impl<'a> Record<'a> {
    fn read(raw: &'a RawValue) -> Result<Self, Rejection> {
        let mut record = Self::default();
        each_field(raw.get(), "", |name, value| {
            let place = match name {
                "n" | "name" => &mut record.name,
                "u" | "url" => &mut record.url,
                "d" | "domain" => &mut record.domain,
                "r" | "referrer" => &mut record.referrer,
                "w" | "screen_width" => &mut record.screen_width,
                "h" | "hash_mode" => &mut record.hash_mode,
                "p" | "props" | "m" | "meta" => &mut record.props,
                "$" | "revenue" => &mut record.revenue,
                _ => return,
            };
            place.get_or_insert(value);
        })?;
        Ok(record)
    }

    /// The write key. A site may name several domains; the first is the one.
    fn key(&self) -> Result<Cow<'a, str>, Rejection> {
        let domains = optional_text(self.domain, "domain")?;
        Ok(match domains.split_once(',') {
            Some((first, _)) => first.trim().to_owned().into(),
            None => domains,
        })
    }

    fn draft(&self, raw: &'a RawValue) -> Result<Draft<'a>, Rejection> {
        let event = match optional_text(self.name, "name")? {
            name if name == "pageview" => names::PAGEVIEW.into(),
            name => name,
        };
        let is_hash_routed = self.hash_mode.is_some_and(|h| matches!(h.get(), "1" | "true"));
        let mut out = ObjectWriter::with_capacity(raw.get().len() + 64);
        if let Some(own) = self.own()? {
            out.all(&own);
        }
        add_address(&mut out, &optional_text(self.url, "url")?, is_hash_routed);
        out.text(names::PAGE_REFERRER, &text_if_any(self.referrer));
        if let Some(width) = self.screen_width {
            out.raw(names::SCREEN_WIDTH, width);
        }
        if let Some(revenue) = self.revenue {
            out.raw(names::REVENUE, revenue);
        }
        let properties = out.finish()?;
        Ok(Draft {
            event,
            is_anonymous_visitor: true,
            platform: "web".into(),
            properties,
            ..Draft::of(raw.get())
        })
    }

    /// The event's own properties: an object, or a text that holds one.
    fn own(&self) -> Result<Option<Cow<'a, RawValue>>, Rejection> {
        let Some(props) = self.props else { return Ok(None) };
        if props.get().starts_with('{') {
            return Ok(Some(Cow::Borrowed(props)));
        }
        let malformed = |message: String| Rejection::new(RejectionCode::Malformed, "props", message);
        let own = RawValue::from_string(text_of(props, "props")?.into_owned())
            .map_err(|e| malformed(e.to_string()))?;
        if !own.get().starts_with('{') {
            return Err(malformed(format!("expected an object, not {}", kind_of(own.get()))));
        }
        Ok(Some(Cow::Owned(own)))
    }
}
