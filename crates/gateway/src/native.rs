use std::fmt;

use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use suanpan_event::parse_time;

use crate::{GatewayLimits, Problem};

/// A request in Suanpan's own format: `{"events": […], "sent_at": …}`, a bare array of events,
/// or one bare event.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    /// Each event's JSON text.
    pub events: Vec<&'a RawValue>,
    /// The client's clock when it sent the request, in milliseconds since 1970.
    pub sent_at_ms: Option<i64>,
}

/// More elements than any setting allows are counted, not kept: `[1,1,1,…]` must not cost eight
/// times its size.
const ELEMENTS_KEPT_MAX: usize = 100_000;

/// The elements of an array.
struct Elements<'a> {
    kept: Vec<&'a RawValue>,
    count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Kept;
        impl<'de> Visitor<'de> for Kept {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Elements<'de>, A::Error> {
                let mut elements = Elements { kept: Vec::new(), count: 0 };
                while elements.count < ELEMENTS_KEPT_MAX
                    && let Some(element) = array.next_element()?
                {
                    elements.kept.push(element);
                    elements.count += 1;
                }
                while array.next_element::<IgnoredAny>()?.is_some() {
                    elements.count += 1;
                }
                Ok(elements)
            }
        }
        json.deserialize_seq(Kept)
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    events: Option<Elements<'a>>,
    #[serde(borrow, default)]
    sent_at: Option<&'a RawValue>,
}

/// Finds the events in a body. The events themselves are read one by one later, so that a wrong
/// one does not refuse its neighbours.
pub(crate) fn decode<'a>(body: &'a [u8], limits: &GatewayLimits) -> Result<Batch<'a>, Problem> {
    let text = std::str::from_utf8(body).map_err(|e| {
        malformed(format!("the body is not UTF-8: the first wrong byte is at offset {}", e.valid_up_to()))
    })?;
    let (events, sent_at_ms) = if text.trim_start().starts_with('[') {
        (parse(text)?, None)
    } else {
        let envelope: Envelope<'a> = parse(text)?;
        match envelope.events {
            Some(events) => (events, envelope.sent_at.and_then(instant)),
            None => (Elements { kept: vec![parse(text)?], count: 1 }, None),
        }
    };
    if events.count > limits.events_per_request_max {
        let (count, max) = (events.count, limits.events_per_request_max);
        let detail = format!("{count} events in one request; the limit events_per_request_max is {max}");
        let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_events", detail);
        return Err(problem.limit("gateway.events_per_request_max"));
    }
    Ok(Batch { events: events.kept, sent_at_ms })
}

/// An instant: RFC 3339 text, or a number of milliseconds since 1970.
pub(crate) fn instant(raw: &RawValue) -> Option<i64> {
    let text = raw.get();
    match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        Some(inner) => parse_time(inner),
        None => text.parse::<i64>().ok(),
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|e| malformed(format!("the body is not the JSON expected: {e}")))
}

fn malformed(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
}
