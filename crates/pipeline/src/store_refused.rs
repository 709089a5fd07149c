use serde_json::{Value, json};
use suanpan_event::{DeadEvent, Event, RejectionCode};

use crate::enrich::borrowed;

/// Characters of the server's words that are kept.
const MESSAGE_CHARS_MAX: usize = 500;

/// The dead letter's copy of an accepted event whose row the store refused: `raw` is its log record, `draft` what
/// a replay admits again, under the same id and with the same times.
pub(crate) fn dead_event<'a>(event: &'a Event<'_>, message: &str) -> DeadEvent<'a> {
    let mut record = Vec::new();
    event.encode_into(&mut record);
    DeadEvent {
        app_id: event.app_id.clone(),
        id: event.event_id,
        received_time_ms: event.received_time_ms,
        format: "native".into(),
        code: RejectionCode::StoreRefused.name().into(),
        field: "".into(),
        message: message.chars().take(MESSAGE_CHARS_MAX).collect::<String>().into(),
        event: event.event.as_ref().into(),
        user_id: event.user_id.as_ref().into(),
        device_id: event.device_id.as_ref().into(),
        raw: String::from_utf8(record).expect("JSON is UTF-8").into(),
        draft: draft(event).to_string().into(),
        is_replayable: true,
        clock_correction_ms: event.client_time_ms.map(|client_ms| event.event_time_ms - client_ms),
        // It was accepted once, whatever its age.
        may_report_old: true,
        origin: borrowed(&event.origin),
    }
}

/// The event in Suanpan's own wire format.
fn draft(event: &Event<'_>) -> Value {
    json!({
        "id": event.event_id,
        "event": event.event,
        "time": event.client_time_ms.unwrap_or(event.event_time_ms),
        "user_id": event.user_id,
        "device_id": event.device_id,
        "linked_id": event.linked_id,
        "session_id": event.session_id,
        "platform": event.platform,
        "app_version": event.app_version,
        "library": event.library,
        "about_nobody": event.actor_id().is_empty(),
        "properties": event.properties,
    })
}
