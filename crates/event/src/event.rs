use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{AppId, Origin};

/// One admitted event, as it travels through the log. Its log record is this struct as JSON with
/// the short names below, so that any reader of the log or of its Kafka twin can read it.
///
/// Texts that the client did not send are empty.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event<'a> {
    /// The app that reported it.
    #[serde(rename = "app")]
    pub app_id: AppId,
    /// Unique within the app: the client's own ([`named_id`]); else, if the client gave a time,
    /// derived from the whole record ([`derived_id`]); else random. A second event with the same
    /// id is a duplicate.
    #[serde(rename = "id")]
    pub event_id: Uuid,
    /// What happened.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// When, in milliseconds since 1970-01-01 UTC, corrected where the client's clock was wrong.
    #[serde(rename = "time")]
    pub event_time_ms: i64,
    /// The client's own time where `event_time_ms` was corrected.
    #[serde(rename = "client_time", default, skip_serializing_if = "Option::is_none")]
    pub client_time_ms: Option<i64>,
    /// When the gateway received it.
    #[serde(rename = "received")]
    pub received_time_ms: i64,
    /// The known person.
    #[serde(rename = "user", borrow, default, skip_serializing_if = "str::is_empty")]
    pub user_id: Cow<'a, str>,
    /// The device or the anonymous person.
    #[serde(rename = "device", borrow, default, skip_serializing_if = "str::is_empty")]
    pub device_id: Cow<'a, str>,
    /// The client's session.
    #[serde(rename = "session", borrow, default, skip_serializing_if = "str::is_empty")]
    pub session_id: Cow<'a, str>,
    /// For example `wechat`, `ios`, `web`.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub platform: Cow<'a, str>,
    /// The version of the reporting app.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub app_version: Cow<'a, str>,
    /// The library that reported it, with its version.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub library: Cow<'a, str>,
    /// Another id of the same person, by which this event links the two: for example the
    /// anonymous id at the moment of logging in.
    #[serde(rename = "link", borrow, default, skip_serializing_if = "str::is_empty")]
    pub linked_id: Cow<'a, str>,
    /// Where the request came from.
    #[serde(rename = "from", borrow, default, skip_serializing_if = "Origin::is_empty")]
    pub origin: Origin<'a>,
    /// The app's own fields: the text of a JSON object, see [`crate::properties`].
    #[serde(rename = "props", borrow)]
    pub properties: Cow<'a, RawValue>,
}

impl<'a> Event<'a> {
    /// The person: the known user, else the device.
    pub fn actor_id(&self) -> &str {
        if self.user_id.is_empty() { &self.device_id } else { &self.user_id }
    }

    /// Appends the event to a buffer as a log record.
    pub fn encode_into(&self, buffer: &mut Vec<u8>) {
        serde_json::to_writer(buffer, self).expect("an event is always JSON, and a Vec takes all");
    }

    /// Reads a log record, borrowing from it.
    ///
    /// # Errors
    /// The record is no event.
    pub fn decode(record: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(record)
    }
}

/// The id of an event whose client gave one: the id itself if it is a UUID, else a name-based
/// UUID (version 5) of it, so that equal ids stay equal and 16 bytes are enough.
pub fn named_id(client_id: &str) -> Uuid {
    Uuid::try_parse(client_id).unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_OID, client_id.as_bytes()))
}

/// The id of an event whose client gave none: a name-based UUID of the app and the record's
/// text, so that the same record sent again is a duplicate.
pub fn derived_id(app_id: &AppId, record: &str) -> Uuid {
    let app = Uuid::new_v5(&Uuid::NAMESPACE_OID, app_id.as_str().as_bytes());
    Uuid::new_v5(&app, record.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_record_reads_back_as_the_event(
            event in ".{1,40}", user in ".{0,40}", time in 0..4_000_000_000_000_i64, note in ".{0,60}",
        ) {
            let properties = serde_json::to_string(&serde_json::json!({ "note": note })).unwrap();
            let original = Event {
                app_id: "shop".parse().unwrap(),
                event_id: Uuid::new_v4(),
                event: event.into(),
                event_time_ms: time,
                client_time_ms: None,
                received_time_ms: time + 1,
                user_id: user.into(),
                device_id: "d".into(),
                session_id: "".into(),
                platform: "web".into(),
                app_version: "".into(),
                library: "".into(),
                linked_id: "anonymous-1".into(),
                origin: Origin { country: "CN".into(), is_bot: true, ..Origin::default() },
                properties: Cow::Owned(RawValue::from_string(properties).unwrap()),
            };
            let (mut record, mut again) = (Vec::new(), Vec::new());
            original.encode_into(&mut record);
            let read = Event::decode(&record).unwrap();
            read.encode_into(&mut again);
            prop_assert_eq!(&again, &record);
            prop_assert_eq!(read.event, original.event);
            prop_assert_eq!(read.user_id, original.user_id);
            prop_assert_eq!(read.origin, original.origin);
            prop_assert_eq!(read.properties.get(), original.properties.get());
        }
    }

    #[test]
    fn ids_that_are_no_uuid_get_one() {
        let id = named_id("order-17");
        assert_eq!(id, named_id("order-17"));
        assert_ne!(id, named_id("order-18"));
        assert_eq!(named_id(&id.to_string()), id);
    }
}
