//! Events about persons: who is who, and what is known of somebody.
//!
//! They are tracked like any event. Properties that [`Client`](crate::Client) adds to all events stay
//! out of them.

use serde_json::{Map, Value};

use crate::Event;

impl Event {
    /// `$identify`: what was reported under the anonymous id is this person's. An alias is the same,
    /// with the other id in the place of the anonymous one.
    #[doc(alias("alias", "link", "login"))]
    pub fn identify(user_id: impl Into<String>, anonymous_id: impl Into<String>) -> Self {
        let anonymous_id = anonymous_id.into();
        Self::of_person("$identify", user_id, "$anonymous_id", Value::String(anonymous_id.clone()))
            .linked(anonymous_id)
    }

    /// `$profile_set`: the person has these attributes from now on.
    pub fn profile_set<N, V>(user_id: impl Into<String>, attributes: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<Value>,
    {
        Self::of_person("$profile_set", user_id, "$set", object(attributes))
    }

    /// `$profile_set_once`: the person gets those of these attributes that it does not have.
    pub fn profile_set_once<N, V>(
        user_id: impl Into<String>,
        attributes: impl IntoIterator<Item = (N, V)>,
    ) -> Self
    where
        N: Into<String>,
        V: Into<Value>,
    {
        Self::of_person("$profile_set_once", user_id, "$set_once", object(attributes))
    }

    /// `$profile_increment`: adds to numeric attributes; negative numbers subtract.
    pub fn profile_increment<N, V>(
        user_id: impl Into<String>,
        amounts: impl IntoIterator<Item = (N, V)>,
    ) -> Self
    where
        N: Into<String>,
        V: Into<Value>,
    {
        Self::of_person("$profile_increment", user_id, "$add", object(amounts))
    }

    /// `$profile_append`: adds to attributes that are lists.
    pub fn profile_append<N, V>(
        user_id: impl Into<String>,
        elements: impl IntoIterator<Item = (N, V)>,
    ) -> Self
    where
        N: Into<String>,
        V: Into<Value>,
    {
        Self::of_person("$profile_append", user_id, "$append", object(elements))
    }

    /// `$profile_unset`: the person has these attributes no more.
    pub fn profile_unset<N: Into<String>>(
        user_id: impl Into<String>,
        attributes: impl IntoIterator<Item = N>,
    ) -> Self {
        let names = attributes.into_iter().map(|name| Value::String(name.into())).collect();
        Self::of_person("$profile_unset", user_id, "$unset", Value::Array(names))
    }
}

fn object<N: Into<String>, V: Into<Value>>(entries: impl IntoIterator<Item = (N, V)>) -> Value {
    Value::Object(entries.into_iter().map(|(name, value)| (name.into(), value.into())).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_speaks_of_its_person() {
        let check = |event: Event, name: &str, properties: Value| {
            let event: Value = serde_json::from_slice(&event.into_json().1).unwrap();
            assert_eq!(
                (&event["event"], &event["user_id"], &event["properties"]),
                (&json!(name), &json!("u"), &properties)
            );
        };
        check(Event::identify("u", "d"), "$identify", json!({ "$anonymous_id": "d" }));
        let link: Value = serde_json::from_slice(&Event::identify("u", "d").into_json().1).unwrap();
        assert_eq!(link["linked_id"], "d");
        let mixed = [("plan", json!("pro")), ("seats", json!(3))];
        check(
            Event::profile_set("u", mixed.clone()),
            "$profile_set",
            json!({ "$set": { "plan": "pro", "seats": 3 } }),
        );
        check(
            Event::profile_set_once("u", [("first", "ad")]),
            "$profile_set_once",
            json!({ "$set_once": { "first": "ad" } }),
        );
        check(
            Event::profile_increment("u", [("visits", 1.5), ("credit", -2.0)]),
            "$profile_increment",
            json!({ "$add": { "visits": 1.5, "credit": -2.0 } }),
        );
        check(
            Event::profile_append("u", [("tags", json!(["a"]))]),
            "$profile_append",
            json!({ "$append": { "tags": ["a"] } }),
        );
        check(
            Event::profile_unset("u", ["plan", "seats"]),
            "$profile_unset",
            json!({ "$unset": ["plan", "seats"] }),
        );
    }
}
