use axum::http::StatusCode;
use serde::Deserialize;
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

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    events: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    sent_at: Option<&'a RawValue>,
}

/// Finds the events in a body. The events themselves are read one by one later, so that a wrong
/// one does not refuse its neighbours.
pub(crate) fn decode<'a>(body: &'a [u8], limits: &GatewayLimits) -> Result<Batch<'a>, Problem> {
    let text = std::str::from_utf8(body).map_err(|e| {
        malformed(format!("the body is not UTF-8: the first wrong byte is at offset {}", e.valid_up_to()))
    })?;
    let batch = if text.trim_start().starts_with('[') {
        Batch { events: parse(text)?, sent_at_ms: None }
    } else {
        let envelope: Envelope<'a> = parse(text)?;
        match envelope.events {
            Some(events) => Batch { events, sent_at_ms: envelope.sent_at.and_then(instant) },
            None => Batch { events: vec![parse(text)?], sent_at_ms: None },
        }
    };
    if batch.events.len() > limits.events_per_request_max {
        let (count, max) = (batch.events.len(), limits.events_per_request_max);
        let detail = format!("{count} events in one request; the limit events_per_request_max is {max}");
        let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_events", detail);
        return Err(problem.limit("gateway.events_per_request_max"));
    }
    Ok(batch)
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
