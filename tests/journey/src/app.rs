use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::{Calls, Reply, eventually};

/// An app of a journey's own, with a write key and a read key.
#[derive(Clone)]
pub struct App {
    calls: Calls,
    /// Its id.
    pub id: String,
    /// Its write key.
    pub write_key: String,
    /// Its read key.
    pub read_key: String,
}

impl App {
    /// A new app whose days begin in UTC.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn create(calls: &Calls) -> Self {
        Self::create_in(calls, "UTC").await
    }

    /// A new app whose days begin in this zone.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn create_in(calls: &Calls, time_zone: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let id = format!("app-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let body = json!({ "id": id, "title": "Of a journey", "time_zone": time_zone });
        let made = calls.admin(Method::POST, "/api/apps", Some(&body)).await.expect(201);
        assert_eq!((&made["id"], &made["time_zone"]), (&json!(id), &json!(time_zone)));
        let mut app = Self { calls: calls.clone(), id, write_key: String::new(), read_key: String::new() };
        app.write_key = app.key(json!({ "kind": "write" })).await.1;
        app.read_key = app.key(json!({ "kind": "read" })).await.1;
        app
    }

    /// A new key's number and text.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn key(&self, wishes: Value) -> (u64, String) {
        let made = self.calls.admin(Method::POST, &self.path("/keys"), Some(&wishes)).await.expect(201);
        (made["id"].as_u64().expect("a key has a number"), text(&made["secret"]))
    }

    /// This app with a write key that may report old events.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn importing(&self) -> Self {
        let (_, write_key) = self.key(json!({ "kind": "write", "may_report_old": true })).await;
        self.with_write_key(&write_key)
    }

    /// This app with another write key.
    #[must_use]
    pub fn with_write_key(&self, write_key: &str) -> Self {
        Self { write_key: write_key.to_owned(), ..self.clone() }
    }

    /// This app with another read key.
    #[must_use]
    pub fn with_read_key(&self, read_key: &str) -> Self {
        Self { read_key: read_key.to_owned(), ..self.clone() }
    }

    /// Defines an attribute.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn define(&self, name: &str, kind: &str) {
        let path = self.path(&format!("/attributes/{name}"));
        self.calls.admin(Method::PUT, &path, Some(&json!({ "type": kind }))).await.expect(200);
    }

    /// The server's address.
    pub fn url(&self) -> String {
        self.calls.url()
    }

    /// A path under the app.
    pub fn path(&self, rest: &str) -> String {
        format!("/api/apps/{}{rest}", self.id)
    }

    /// Reports with the write key.
    ///
    /// # Panics
    /// No answer.
    pub async fn report(&self, body: &Value) -> Reply {
        self.try_report(body).await.expect("the server answers")
    }

    /// Reports with the write key.
    ///
    /// # Errors
    /// No connection, or it broke.
    pub async fn try_report(&self, body: &Value) -> Result<Reply, reqwest::Error> {
        let request = self.calls.request(Method::POST, "/v1/events").bearer_auth(&self.write_key);
        Reply::try_of(request.json(body)).await
    }

    /// Reports events that must all be taken, each for the first time in the request.
    ///
    /// # Panics
    /// Some are not.
    pub async fn accept(&self, events: &[Value]) {
        for part in events.chunks(1000) {
            let report = self.report(&json!({ "events": part })).await.expect(200);
            assert_eq!(report["accepted"], part.len(), "{report:#}");
        }
    }

    /// Asks with the read key.
    ///
    /// # Panics
    /// No answer.
    pub async fn try_ask(&self, rule: &Value) -> Reply {
        let request = self.calls.request(Method::POST, &self.path("/ask")).bearer_auth(&self.read_key);
        Reply::of(request.json(rule)).await
    }

    /// The answer as it stands in the store now, not one that was right a second ago.
    ///
    /// # Panics
    /// The server refuses, or only gives old answers.
    pub async fn ask(&self, rule: &Value) -> Value {
        eventually("an answer that is not stale", 10, async || {
            let answer = self.try_ask(rule).await.expect(200);
            (answer["cache"] != "stale").then_some(answer)
        })
        .await
    }

    /// Asks until the answer's totals of the first series are these.
    ///
    /// # Panics
    /// They are not within 30 s.
    pub async fn ask_until(&self, rule: &Value, totals: &Value) -> Value {
        let mut last = Value::Null;
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while std::time::Instant::now() < limit {
            last = self.try_ask(rule).await.expect(200);
            if last["series"][0]["total"] == *totals {
                return last;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the totals are not {totals} within 30 s: {last:#}");
    }

    /// The totals of the only series.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn totals(&self, rule: &Value) -> Value {
        self.ask(rule).await["series"][0]["total"].clone()
    }

    /// Events by outcome.
    ///
    /// # Panics
    /// The server refuses, or the outcomes do not add up to what was received.
    pub async fn outcomes(&self) -> BTreeMap<String, u64> {
        let request = self.calls.request(Method::GET, &self.path("/outcomes")).bearer_auth(&self.read_key);
        let body = Reply::of(request).await.expect(200);
        let mut by_name = BTreeMap::new();
        for outcome in body["outcomes"].as_array().expect("a list") {
            *by_name.entry(text(&outcome["outcome"])).or_default() +=
                outcome["events"].as_u64().expect("a count");
        }
        assert_eq!(body["received"], by_name.values().sum::<u64>(), "{body:#}");
        by_name
    }
}

/// A measure by its kind alone.
pub fn measure(kind: &str) -> Value {
    json!({ "measure": kind })
}

/// A rule that counts the last 31 days' events, with these fields instead or besides.
///
/// # Panics
/// `changes` is no object.
pub fn rule(changes: Value) -> Value {
    let mut fields = Map::new();
    fields.insert("version".into(), json!(1));
    fields.insert("kind".into(), json!("trend"));
    fields.insert("measures".into(), json!([measure("events")]));
    fields.insert("range".into(), json!({ "last": 32, "unit": "day" }));
    let Value::Object(changes) = changes else { panic!("a rule is an object") };
    fields.extend(changes);
    Value::Object(fields)
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
