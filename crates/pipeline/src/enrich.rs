use std::borrow::Cow;

use suanpan_event::properties::Properties;
use suanpan_event::{Event, Scalar, Slot, SlotMap, coerce};
use suanpan_warehouse::{EventRow, SlotValue};

/// Makes an event a row: adds the person, and copies the attributes that own a slot into it.
pub(crate) fn enrich<'a>(offset: u64, event: &'a Event<'_>, slots: &SlotMap) -> EventRow<'a> {
    let content = event.properties.get();
    EventRow {
        app_id: event.app_id.clone(),
        event: Cow::Borrowed(&event.event),
        event_time_ms: event.event_time_ms,
        received_time_ms: event.received_time_ms,
        client_time_ms: event.client_time_ms,
        event_id: event.event_id,
        actor_id: Cow::Borrowed(event.actor_id()),
        user_id: Cow::Borrowed(&event.user_id),
        device_id: Cow::Borrowed(&event.device_id),
        session_id: Cow::Borrowed(&event.session_id),
        platform: Cow::Borrowed(&event.platform),
        app_version: Cow::Borrowed(&event.app_version),
        library: Cow::Borrowed(&event.library),
        content: Cow::Borrowed(content),
        slot_map: slots.version,
        log_offset: offset,
        slots: fill(content, slots),
    }
}

fn fill<'a>(content: &'a str, slots: &SlotMap) -> Vec<(Slot, SlotValue<'a>)> {
    if slots.is_empty() {
        return Vec::new();
    }
    // The gateway admitted the text, so it parses; were it ever not so, questions would still
    // find in `content` whatever can be read.
    let Ok(properties) = Properties::parse(content) else { return Vec::new() };
    let mut filled = Vec::with_capacity(properties.len());
    for (name, raw) in properties.iter() {
        let Some((kind, slot)) = slots.get(name) else { continue };
        match coerce(raw, kind) {
            Some(Scalar::Text(text)) => filled.push((slot, SlotValue::Text(text))),
            Some(Scalar::Number(number)) => filled.push((slot, SlotValue::Number(number))),
            None => {}
        }
    }
    filled
}
