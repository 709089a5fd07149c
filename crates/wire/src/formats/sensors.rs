//! SensorsData (神策): records in base64, in a form whose media type tells nothing, or in the query
//! of a picture.
//!
//! Its clients read statuses in ways that contradict each other, and any error loses or repeats
//! data somewhere. So they never see one, but on `/debug`: what is on disk, and what can't be read
//! by anyone, is answered with 200; if nothing could be kept the connection is reset, which makes
//! the clients with a memory of their own keep the data.

mod record;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::Method;

use self::record::Record;
use crate::batch::claim_key;
use crate::elements::{Elements, parse};
use crate::encoding::{form_data, mended, plain, utf8};
use crate::{Batch, Format, Head, Refusal, Refused, Reply, Report, Unreadable, WireLimits};

/// SensorsData's clients for mini-programs, web, mobile and servers.
pub const SENSORS: Sensors = Sensors;

/// See [`SENSORS`].
#[derive(Debug)]
pub struct Sensors;

/// Where a developer's client asks what is wrong with its events.
const DEBUG: &str = "/debug";

impl Format for Sensors {
    fn name(&self) -> &'static str {
        "sensors"
    }

    fn payload(&self, head: &Head<'_>, body: Bytes, limits: &WireLimits) -> Result<Bytes, Unreadable> {
        let body = plain(body, head.says_gzip(), limits)?;
        if body.trim_ascii_start().starts_with(b"[") || body.trim_ascii_start().starts_with(b"{") {
            return mended(body, limits);
        }
        let form = if head.method == Method::GET { head.query.as_bytes() } else { &body[..] };
        let records = form_data(form, &["data_list", "data"], limits)?;
        mended(records, limits)
    }

    fn decode<'a>(
        &self,
        head: &Head<'a>,
        payload: &'a [u8],
        limits: &WireLimits,
    ) -> Result<Batch<'a>, Unreadable> {
        let text = utf8(payload)?;
        let records: Elements<'a> =
            if text.trim_start().starts_with('[') { parse(text)? } else { Elements::one(parse(text)?) };
        let in_query = |name: &str| head.query_value(name).filter(|key| !key.is_empty());
        let mut key = in_query("token").or_else(|| in_query("project"));
        let is_keyed_by_record = key.is_none();
        let mut events = Vec::new();
        for raw in records.within(limits)? {
            let read = Record::read(raw.get()).and_then(|record| {
                if is_keyed_by_record {
                    claim_key(&mut key, record.key()?)?;
                }
                record.draft(raw.get())
            });
            events.push(read.map_err(|rejection| Refused::new(raw.get(), rejection)));
        }
        let is_debug = head.path == DEBUG;
        let is_dry_run = is_debug && head.header("dry-run").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        Ok(Batch { key, events, is_dry_run, is_debug, ..Batch::default() })
    }

    fn reply(&self, head: &Head<'_>, _batch: &Batch<'_>, report: &Report) -> Reply {
        if head.path == DEBUG {
            // The clients show the answer to a developer, and only an error makes them do it.
            return Reply::json(if report.rejected == 0 { 200 } else { 400 }, report);
        }
        received(head)
    }

    fn refuse(&self, head: &Head<'_>, refusal: &Refusal<'_>) -> Reply {
        // Good data that can't be taken now, or not by this key, or not so much of it at once: no answer
        // makes clients keep it, and most send fewer records at the next try.
        let may_be_good = matches!(refusal.status, 401 | 403 | 404 | 413);
        if head.path == DEBUG {
            Reply::problem(refusal)
        } else if refusal.is_temporary() || may_be_good {
            Reply::Reset
        } else {
            received(head)
        }
    }
}

fn received(head: &Head<'_>) -> Reply {
    if head.method == Method::GET || head.path.ends_with(".gif") {
        Reply::pixel()
    } else {
        Reply::text(200, "")
    }
}

/// What a mini-program asks for to learn its visitor's openid. It goes on without.
pub fn mini_program_login(_head: &Head<'_>, _body: &[u8]) -> Reply {
    Reply::json(200, &serde_json::json!({}))
}

/// Which elements of a page are tagged by eye: none.
pub fn visual_tags(_head: &Head<'_>, _body: &[u8]) -> Reply {
    Reply::json(200, &serde_json::json!({}))
}
