use std::borrow::Cow;

use suanpan_event::properties::Properties;
use suanpan_event::{Event, Origin, Scalar, Slot, SlotMap, coerce};
use suanpan_warehouse::{EventRow, SlotValue};

/// Makes an event a row: adds the person, and copies the attributes that own a slot into it.
pub(crate) fn enrich<'a>(
    (offset, event): &'a (u64, Event<'_>),
    properties: &Properties<'a>,
    slots: &SlotMap,
) -> EventRow<'a> {
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
        linked_id: Cow::Borrowed(&event.linked_id),
        origin: borrowed(&event.origin),
        content: Cow::Borrowed(content),
        slot_map: slots.version,
        log_offset: *offset,
        slots: fill(properties, slots),
    }
}

/// An event's properties. The gateway admitted the text, so it parses; were it ever not so, questions
/// would still find in `content` whatever can be read.
pub(crate) fn properties<'a>(event: &'a Event<'_>) -> Properties<'a> {
    Properties::parse(event.properties.get()).unwrap_or_default()
}

/// The same origin, without copying its texts.
pub(crate) fn borrowed<'a>(origin: &'a Origin<'_>) -> Origin<'a> {
    Origin {
        ip: Cow::Borrowed(&origin.ip),
        country: Cow::Borrowed(&origin.country),
        region: Cow::Borrowed(&origin.region),
        city: Cow::Borrowed(&origin.city),
        browser: Cow::Borrowed(&origin.browser),
        browser_version: Cow::Borrowed(&origin.browser_version),
        os: Cow::Borrowed(&origin.os),
        os_version: Cow::Borrowed(&origin.os_version),
        device_type: Cow::Borrowed(&origin.device_type),
        is_bot: origin.is_bot,
    }
}

fn fill<'a>(properties: &Properties<'a>, slots: &SlotMap) -> Vec<(Slot, SlotValue<'a>)> {
    if slots.is_empty() {
        return Vec::new();
    }
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
