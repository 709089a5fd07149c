//! What every fuzz target does: a request's bytes through one path, to events and the reply.
//!
//! The first byte of the input chooses the head (method, gzip, form, query), the rest is the body,
//! so that the fuzzer reaches every transport encoding. A target fails by panicking, by taking more
//! memory than libFuzzer's limit, or by being slow.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use suanpan_event::{EventLimits, Origin, Record, TrackingPlan};
use suanpan_wire::{Admission, Head, Report, Route, WireLimits, admit, clock_correction_ms, route};
use uuid::Uuid;

const NOW_MS: i64 = 1_772_366_400_000;

/// Sends `data` to the path, as [`suanpan_wire::ROUTES`] spells it.
pub fn request(path: &'static str, data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let mut headers = HeaderMap::new();
    if choice & 1 != 0 {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let types = ["application/json", "text/plain", "application/x-www-form-urlencoded"];
    let media_type = types[usize::from(choice >> 1) % types.len()];
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert("dry-run", HeaderValue::from_static("true"));
    let in_query = choice & 0x40 != 0;
    let (method, query, body) = if in_query {
        (Method::GET, String::from_utf8_lossy(rest).into_owned(), Bytes::new())
    } else {
        (Method::POST, String::from("project=key&verbose=1&gzip=1"), Bytes::copy_from_slice(rest))
    };
    let head = Head { method: &method, path, query: &query, headers: &headers };
    let limits = WireLimits { unpacked_bytes_max: 1 << 20, events_per_request_max: 100 };
    let format = match route(path).expect("a target names a path of the routes") {
        Route::Events(format) => format,
        Route::Told(told) => told(&head, &body),
        Route::Document(document) => {
            document(&head, &body);
            return;
        }
    };
    let Ok(payload) = format.payload(&head, body, &limits) else { return };
    assert!(payload.len() <= limits.unpacked_bytes_max.max(data.len()), "an encoding outgrew its limit");
    let Ok(batch) = format.decode(&head, &payload, &limits) else { return };
    assert!(batch.events.len() <= limits.events_per_request_max);
    let app = "fuzz".parse().expect("a valid app id");
    let (event_limits, plan) = (EventLimits::default(), TrackingPlan::default());
    let about = Admission {
        app_id: &app,
        may_report_old: choice & 0x80 != 0,
        received_time_ms: NOW_MS,
        clock_correction_ms: clock_correction_ms(batch.sent_at, NOW_MS, &event_limits),
        limits: &event_limits,
        plan: &plan,
    };
    let mut report = Report::default();
    for event in &batch.events {
        match event {
            Err(refused) => report.reject((*refused.rejection).clone()),
            Ok(draft) => match admit(draft, &about, Origin::default(), Uuid::new_v4) {
                Ok((event, warnings)) => {
                    let mut record = Vec::new();
                    event.encode_into(&mut record);
                    Record::decode(&record).expect("what is admitted can be read back");
                    report.accept(event.event_id, warnings);
                }
                Err(rejection) => {
                    draft.to_native(Uuid::new_v4());
                    report.reject(rejection);
                }
            },
        }
    }
    format.reply(&head, &batch, &report);
}
