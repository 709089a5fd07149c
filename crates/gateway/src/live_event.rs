use serde::Serialize;
use serde_json::value::RawValue;
use suanpan_event::RejectionCode;
use suanpan_wire::{EventResult, Note, Status};
use uuid::Uuid;

/// Bytes of an event's properties that are shown whole; of longer ones the beginning.
pub const PROPERTIES_SHOWN_BYTES_MAX: usize = 4096;

/// Characters of a name or an id that are shown: what was refused may have been refused for that.
const TEXT_CHARS_MAX: usize = 256;

/// An arriving event as the live view shows it. Only what was admitted or masked goes in, since it
/// is shown to people who may not see personal data.
#[derive(Debug, Clone, Serialize)]
pub struct LiveEvent {
    /// The gateway's clock, in milliseconds since 1970-01-01 UTC.
    pub received_ms: i64,
    /// The wire format.
    pub format: &'static str,
    /// What became of it.
    pub status: Status,
    /// The id it is stored under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// What happened.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub event: String,
    /// The known person.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_id: String,
    /// The device or the anonymous person.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub device_id: String,
    /// When, in milliseconds since 1970-01-01 UTC, after correction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<i64>,
    /// The library that reported it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub library: String,
    /// Whether the client says that it is being debugged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_debug: bool,
    /// Whether the client only wanted to know what would become of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_dry_run: bool,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<RejectionCode>,
    /// The field the refusal is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// The refusal in a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What the field should have been.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// What was found.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub got: String,
    /// What can be done about it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub hint: &'static str,
    /// What was odd about an accepted event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// The event's own fields, or a refused record, where that is JSON and short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<Box<RawValue>>,
    /// The beginning of a longer one, or of what is no JSON.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
}

impl Default for LiveEvent {
    fn default() -> Self {
        Self {
            received_ms: 0,
            format: "",
            status: Status::Ok,
            id: None,
            event: String::new(),
            user_id: String::new(),
            device_id: String::new(),
            time_ms: None,
            library: String::new(),
            is_debug: false,
            is_dry_run: false,
            code: None,
            field: String::new(),
            message: String::new(),
            expected: String::new(),
            got: String::new(),
            hint: "",
            notes: Vec::new(),
            properties: None,
            excerpt: String::new(),
        }
    }
}

impl LiveEvent {
    /// What became of an event, as its client is told.
    pub fn of(result: &EventResult) -> Self {
        Self {
            status: result.status,
            id: result.id,
            code: result.code,
            field: shown(&result.field),
            message: result.message.clone(),
            expected: result.expected.clone().into_owned(),
            got: result.got.clone(),
            hint: result.hint,
            notes: result.notes.clone(),
            ..Self::default()
        }
    }

    /// Names the event, its user, its device, and the library that reported it.
    #[must_use]
    pub fn named(self, event: &str, user_id: &str, device_id: &str, library: &str) -> Self {
        let [event, user_id, device_id, library] = [event, user_id, device_id, library].map(shown);
        Self { event, user_id, device_id, library, ..self }
    }

    /// Adds the event's own fields, or a refused record, without personal data.
    #[must_use]
    pub fn showing(mut self, text: &str) -> Self {
        if text.len() <= PROPERTIES_SHOWN_BYTES_MAX {
            self.properties = RawValue::from_string(text.to_owned()).ok();
        }
        if self.properties.is_none() {
            self.excerpt = text[..text.floor_char_boundary(PROPERTIES_SHOWN_BYTES_MAX)].to_owned();
        }
        self
    }
}

fn shown(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let json = serde_json::to_value(LiveEvent::default().showing(text)).unwrap();
        let found = json.get("properties").map_or_else(|| json["excerpt"].to_string(), ToString::to_string);
        assert_eq!(found, expected);
    }

    #[test]
    fn properties_are_shown_whole_if_short() {
        check(r#"{"price":12.50}"#, r#"{"price":12.5}"#);
        check("no JSON", r#""no JSON""#);
        let long = format!("{{\"a\":\"{}\"}}", "算".repeat(5000));
        let event = LiveEvent::default().showing(&long).named(&"n".repeat(1000), "", "", "");
        assert!(event.properties.is_none() && event.excerpt.len() <= PROPERTIES_SHOWN_BYTES_MAX);
        assert_eq!(event.event.len(), TEXT_CHARS_MAX);
    }
}
