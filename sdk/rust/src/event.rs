use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::request::unix_ms;

/// What reports, unless the client's options say otherwise.
pub(crate) const LIBRARY: &str = concat!("suanpan-rust/", env!("CARGO_PKG_VERSION"));

/// An event in the making.
///
/// ```
/// use suanpan_sdk::Event;
///
/// let event = Event::new("purchase").user("u-17").property("amount", 19.9).property("coupon", false);
/// let (id, json) = event.into_json();
/// assert!(String::from_utf8(json).unwrap().contains(&id.to_string()));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    id: Option<Uuid>,
    name: String,
    time: Option<SystemTime>,
    user_id: Option<String>,
    device_id: Option<String>,
    linked_id: Option<String>,
    session_id: Option<String>,
    platform: Option<String>,
    app_version: Option<String>,
    properties: Map<String, Value>,
    /// Speaks of a person, so that what describes all events does not belong into it.
    of_person: bool,
}

/// The event as it goes over the wire.
#[derive(Serialize)]
struct Wire<'a> {
    id: Uuid,
    event: &'a str,
    time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    linked_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_version: Option<&'a str>,
    library: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    properties: &'a Map<String, Value>,
}

impl Event {
    /// Something of this name happened. Say whose event it is by [`Event::user`] or [`Event::device`].
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            id: None,
            name: name.into(),
            time: None,
            user_id: None,
            device_id: None,
            linked_id: None,
            session_id: None,
            platform: None,
            app_version: None,
            properties: Map::new(),
            of_person: false,
        }
    }

    /// An event about a person, with one property.
    pub(crate) fn of_person(name: &str, user_id: impl Into<String>, property: &str, value: Value) -> Self {
        Self { of_person: true, ..Self::new(name).user(user_id).property(property, value) }
    }

    /// Says that another id is of the same person.
    pub(crate) fn linked(self, id: String) -> Self {
        Self { linked_id: Some(id), ..self }
    }

    /// The known person.
    #[must_use]
    pub fn user(mut self, user_id: impl Into<String>) -> Self {
        self.user_id = Some(user_id.into());
        self
    }

    /// The device, or the anonymous person.
    #[must_use]
    pub fn device(mut self, device_id: impl Into<String>) -> Self {
        self.device_id = Some(device_id.into());
        self
    }

    /// The client's session.
    #[must_use]
    pub fn session(mut self, session_id: impl Into<String>) -> Self {
        self.session_id = Some(session_id.into());
        self
    }

    /// For example `wechat`, `ios`, `server`.
    #[must_use]
    pub fn platform(mut self, platform: impl Into<String>) -> Self {
        self.platform = Some(platform.into());
        self
    }

    /// The version of your program.
    #[must_use]
    pub fn app_version(mut self, version: impl Into<String>) -> Self {
        self.app_version = Some(version.into());
        self
    }

    /// When it happened, to the millisecond. Without it: when it is tracked.
    #[must_use]
    pub fn time(mut self, time: SystemTime) -> Self {
        self.time = Some(time);
        self
    }

    /// Its id. Without it: a UUID version 7, made when it is tracked. An id of one's own makes two
    /// reports of the same thing one event, also from different processes.
    #[must_use]
    pub fn id(mut self, id: Uuid) -> Self {
        self.id = Some(id);
        self
    }

    /// A property of your own. A number beyond 64 bits goes as a text; NaN and the infinities become null.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }

    /// Several properties.
    #[must_use]
    pub fn properties<N, V>(mut self, properties: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<Value>,
    {
        self.properties.extend(properties.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Its id and its JSON, as [`Sender::send`](crate::Sender::send) takes it. Id and time are made
    /// here unless they were given: keep the bytes, not the event, to send it again.
    pub fn into_json(self) -> (Uuid, Vec<u8>) {
        self.encode(LIBRARY, &Map::new())
    }

    /// [`Event::into_json`], with the properties of all events; its own go before them.
    pub(crate) fn encode(mut self, library: &str, of_all: &Map<String, Value>) -> (Uuid, Vec<u8>) {
        if !self.of_person {
            for (name, value) in of_all {
                self.properties.entry(name).or_insert_with(|| value.clone());
            }
        }
        let id = self.id.unwrap_or_else(Uuid::now_v7);
        let wire = Wire {
            id,
            event: &self.name,
            time: unix_ms(self.time.unwrap_or_else(SystemTime::now)),
            user_id: self.user_id.as_deref(),
            device_id: self.device_id.as_deref(),
            linked_id: self.linked_id.as_deref(),
            session_id: self.session_id.as_deref(),
            platform: self.platform.as_deref(),
            app_version: self.app_version.as_deref(),
            library,
            properties: &self.properties,
        };
        (id, serde_json::to_vec(&wire).expect("texts, numbers and JSON values are always JSON"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::*;

    fn encoded(event: Event, of_all: &Value) -> Value {
        let of_all = of_all.as_object().cloned().unwrap_or_default();
        serde_json::from_slice(&event.encode("l/1", &of_all).1).unwrap()
    }

    #[test]
    fn what_was_said_goes_over_the_wire() {
        let id = Uuid::from_u128(7);
        let event =
            Event::new("buy").id(id).time(UNIX_EPOCH + Duration::from_millis(9)).user("u").device("d");
        let event = event.session("s").platform("server").app_version("1").property("amount", 1.5);
        let event = event.property("n", u64::MAX).properties([("tags", json!(["a"]))]);
        let expected = json!({
            "id": id.to_string(), "event": "buy", "time": 9, "user_id": "u", "device_id": "d", "session_id": "s",
            "platform": "server", "app_version": "1", "library": "l/1",
            "properties": { "amount": 1.5, "n": u64::MAX, "tags": ["a"], "shop": "x" }
        });
        assert_eq!(encoded(event, &json!({ "amount": 2, "shop": "x" })), expected);
    }

    #[test]
    fn ids_and_times_are_made_when_they_were_not_given() {
        let before = unix_ms(SystemTime::now());
        let (id, json) = Event::new("open").device("d").into_json();
        let event: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!((event["id"].as_str(), id.get_version_num()), (Some(id.to_string().as_str()), 7));
        assert!(event["time"].as_i64().unwrap() >= before);
        assert_eq!((&event["library"], event.get("properties")), (&json!(LIBRARY), None));
    }

    #[test]
    fn properties_of_all_events_stay_out_of_those_about_a_person() {
        let event = encoded(Event::profile_set("u", [("plan", "pro")]), &json!({ "shop": "x" }));
        assert_eq!(event["properties"], json!({ "$set": { "plan": "pro" } }));
    }
}
