//! One request, from its bytes to events and the reply, as the gateway takes it but for key, quotas and
//! disk. The fuzz targets and `crates/wire/tests/hostile.rs` both send theirs through here.

use bytes::Bytes;
use http::header;
use suanpan_event::{EventLimits, Origin, Record, TrackingPlan};
use suanpan_wire::{Admission, Head, Report, Route, WireLimits, admit, clock_correction_ms, unpack};
use uuid::Uuid;

const NOW_MS: i64 = 1_772_366_400_000;

/// Sends a request to what answers at its path. Panics where a decoder breaks a promise: a limit that
/// does not hold, or an admitted event that can't be read back.
pub fn send(head: &Head<'_>, route: Route, body: Bytes, limits: &WireLimits, may_report_old: bool) {
    let sent_bytes = body.len().max(head.query.len());
    let mut headers = head.headers.clone();
    let (format, body) = match route {
        Route::Events(format) => (format, body),
        Route::Told(told) => {
            let Ok(plain) = unpack(body, head.says_gzip(), limits) else { return };
            headers.remove(header::CONTENT_ENCODING);
            (told(head, &plain), plain)
        }
        Route::Document(document) => {
            if let Ok(plain) = unpack(body, head.says_gzip(), limits) {
                document(head, &plain);
            }
            return;
        }
    };
    let Ok(payload) = format.payload(&Head { headers: &headers, ..*head }, body, limits) else { return };
    assert!(payload.len() <= limits.unpacked_bytes_max.max(sent_bytes), "an encoding outgrew its limit");
    let Ok(batch) = format.decode(head, &payload, limits) else { return };
    assert!(batch.events.len() <= limits.events_per_request_max, "{}: too many events", head.path);
    let app = "shop".parse().expect("a valid app id");
    let (event_limits, plan) = (EventLimits::default(), TrackingPlan::default());
    let about = Admission {
        app_id: &app,
        may_report_old,
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
    format.reply(head, &batch, &report);
}
