//! Mixpanel: events, and attributes of persons and groups, one kind at each path, in a form, in the
//! query, or as JSON.
//!
//! Success is a body of exactly `1`, or `{"status":1}` where the client asks for reasons, whatever
//! the HTTP status; any error is JSON with `status` 0. The clients never send again by themselves.

mod profile;
#[cfg(test)]
mod tests;
mod track;

use bytes::Bytes;
use http::Method;
use memchr::memmem;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::batch::claim_key;
use crate::elements::{Elements, parse};
use crate::encoding::{form_data, plain, utf8};
use crate::{Batch, Draft, Format, Head, Refusal, Refused, Reply, Report, Unreadable, WireLimits};

/// Mixpanel's clients.
pub const MIXPANEL: Mixpanel = Mixpanel;

/// See [`MIXPANEL`].
#[derive(Debug)]
pub struct Mixpanel;

/// Before a payload whose form asked for reasons: the form is gone when the answer is worded.
const VERBOSE: &str = "verbose\n";

/// A record's draft, and its write key.
type Keyed<'a> = (Draft<'a>, std::borrow::Cow<'a, str>);

impl Format for Mixpanel {
    fn name(&self) -> &'static str {
        "mixpanel"
    }

    fn payload(&self, head: &Head<'_>, body: Bytes, limits: &WireLimits) -> Result<Bytes, Unreadable> {
        let body = plain(body, head.says_gzip(), limits)?;
        if head.media_type() == "application/x-ndjson" {
            return Ok(lines_as_array(&body));
        }
        if body.trim_ascii_start().starts_with(b"[") || body.trim_ascii_start().starts_with(b"{") {
            return Ok(body);
        }
        let form = if head.method == Method::GET { head.query.as_bytes() } else { &body[..] };
        let records = form_data(form, &["data"], limits)?;
        let is_verbose = memmem::find(form, b"&verbose=1").is_some() || form.starts_with(b"verbose=1");
        Ok(if is_verbose { [VERBOSE.as_bytes(), &records].concat().into() } else { records })
    }

    fn decode<'a>(
        &self,
        head: &Head<'a>,
        payload: &'a [u8],
        limits: &WireLimits,
    ) -> Result<Batch<'a>, Unreadable> {
        let text = utf8(payload)?;
        let (text, asks_in_form) = text.strip_prefix(VERBOSE).map_or((text, false), |text| (text, true));
        let records: Elements<'a> =
            if text.trim_start().starts_with('[') { parse(text)? } else { Elements::one(parse(text)?) };
        let endpoint = endpoint(head);
        let read = |raw: &'a RawValue| match endpoint {
            "engage" => profile::person(raw),
            "groups" => profile::group(raw),
            _ => track::event(raw),
        };
        let mut key = None;
        let mut events = Vec::new();
        for raw in records.within(limits)? {
            let draft = read(raw).and_then(|(draft, own)| claim_key(&mut key, own).map(|()| draft));
            events.push(draft.map_err(|rejection| Refused::new(raw.get(), rejection)));
        }
        let is_verbose = asks_in_form || head.query_value("verbose").is_some_and(|v| v == "1");
        Ok(Batch { key, events, is_verbose, ..Batch::default() })
    }

    fn reply(&self, head: &Head<'_>, batch: &Batch<'_>, report: &Report) -> Reply {
        #[derive(Serialize)]
        struct Imported {
            code: u16,
            status: &'static str,
            num_records_imported: usize,
        }
        #[derive(Serialize)]
        struct Verbose {
            error: Option<()>,
            status: u8,
        }
        if batch.is_verbose {
            Reply::json(200, &Verbose { error: None, status: 1 })
        } else if endpoint(head) == "import" && head.media_type().ends_with("json") {
            let num_records_imported = report.accepted + report.duplicate;
            Reply::json(200, &Imported { code: 200, status: "OK", num_records_imported })
        } else if head.query_value("img").is_some_and(|v| v == "1") {
            Reply::pixel()
        } else {
            Reply::text(200, "1")
        }
    }

    fn refuse(&self, _head: &Head<'_>, refusal: &Refusal<'_>) -> Reply {
        Reply::refused(refusal.status, refusal)
    }
}

/// The path's last part: the browser's client ends its paths with a slash, others do not.
fn endpoint<'r>(head: &Head<'r>) -> &'r str {
    let path = head.path.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path)
}

fn lines_as_array(body: &[u8]) -> Bytes {
    let mut array = Vec::with_capacity(body.len() + 2);
    array.push(b'[');
    for line in body.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        if array.len() > 1 {
            array.push(b',');
        }
        array.extend_from_slice(line);
    }
    array.push(b']');
    array.into()
}
