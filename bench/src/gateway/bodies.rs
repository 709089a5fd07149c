use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::shop::ShopEvent;

/// One request as a client of a format sends it.
pub struct Sent {
    pub name: &'static str,
    /// The path as the routes spell it.
    pub route: &'static str,
    pub path: &'static str,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Sent {
    fn new(
        name: &'static str,
        path: &'static str,
        media_type: &'static str,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        Self { name, route: path, path, query: String::new(), headers, body: body.into() }
    }

    fn json(name: &'static str, path: &'static str, body: &Value) -> Self {
        Self::new(name, path, "application/json", body.to_string())
    }
}

const KEY: &str = "swk_bench";

/// The events in every format that can carry so many in one request; Suanpan's own first.
pub fn all(events: &[ShopEvent], now_ms: i64) -> Vec<Sent> {
    let mut sent = vec![
        native(events, now_ms),
        segment(events, now_ms),
        posthog(events, now_ms),
        posthog_v1(events, now_ms),
        amplitude(events, now_ms),
        sensors_json(events, now_ms),
        sensors_form(events, now_ms),
        mixpanel(events, now_ms),
        snowplow(events, now_ms),
    ];
    if let [event] = events {
        sent.push(umami(event));
        sent.push(plausible(event));
    }
    sent
}

fn list(events: &[ShopEvent], one: impl Fn(&ShopEvent) -> Value) -> Vec<Value> {
    events.iter().map(one).collect()
}

fn iso(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|t| t.to_string()).unwrap_or_default()
}

/// The event's own properties with more beside them.
fn with(event: &ShopEvent, more: Value) -> Value {
    let mut all = more;
    if let (Some(all), Some(own)) = (all.as_object_mut(), event.properties.as_object()) {
        all.extend(own.clone());
    }
    all
}

fn native(events: &[ShopEvent], now: i64) -> Sent {
    let events = list(events, |e| {
        json!({ "id": e.id, "event": e.name, "time": now - e.ago_ms, "user_id": e.user, "device_id": e.device,
            "session_id": e.session.to_string(), "platform": "web", "app_version": "3.2.1", "properties": e.properties })
    });
    Sent::json("Suanpan", "/v1/events", &json!({ "sent_at": now, "events": events }))
}

fn segment(events: &[ShopEvent], now: i64) -> Sent {
    let batch = list(events, |e| {
        json!({ "type": "track", "messageId": e.id, "event": e.name, "timestamp": iso(now - e.ago_ms),
            "userId": e.user, "anonymousId": e.device, "properties": e.properties,
            "context": { "library": { "name": "@segment/analytics-node", "version": "3.1.0" } } })
    });
    Sent::json("Segment", "/v1/batch", &json!({ "batch": batch, "writeKey": KEY, "sentAt": iso(now) }))
}

fn posthog(events: &[ShopEvent], now: i64) -> Sent {
    let batch = list(events, |e| {
        json!({ "uuid": e.id, "event": e.name, "timestamp": iso(now - e.ago_ms), "distinct_id": e.user,
            "properties": with(e, json!({ "$lib": "posthog-node", "$lib_version": "5.70.0", "$device_id": e.device })) })
    });
    Sent::json("PostHog", "/batch/", &json!({ "api_key": KEY, "batch": batch, "sent_at": iso(now) }))
}

fn posthog_v1(events: &[ShopEvent], now: i64) -> Sent {
    let batch = list(events, |e| {
        json!({ "uuid": e.id, "event": e.name, "timestamp": iso(now - e.ago_ms), "distinct_id": e.user,
            "properties": with(e, json!({ "$lib": "posthog-node", "$device_id": e.device })) })
    });
    Sent::json("PostHog v1", "/i/v1/analytics/events", &json!({ "created_at": iso(now), "batch": batch }))
}

fn amplitude(events: &[ShopEvent], now: i64) -> Sent {
    let events = list(events, |e| {
        json!({ "insert_id": e.id, "event_type": e.name, "time": now - e.ago_ms, "user_id": e.user,
            "device_id": e.device, "session_id": e.session, "platform": "Web", "app_version": "3.2.1",
            "library": "amplitude-node-ts/1.5.73", "event_properties": e.properties })
    });
    let body = json!({ "api_key": KEY, "events": events, "client_upload_time": iso(now) });
    Sent::json("Amplitude", "/2/httpapi", &body)
}

fn sensors_records(events: &[ShopEvent], now: i64) -> String {
    let records = list(events, |e| {
        json!({ "type": "track", "event": e.name, "time": now - e.ago_ms, "distinct_id": e.user,
            "login_id": e.user, "anonymous_id": e.device, "_track_id": 123_456_789, "_flush_time": now,
            "lib": { "$lib": "js", "$lib_version": "1.26.17" }, "properties": e.properties })
    });
    Value::from(records).to_string()
}

fn form(name: &str, value: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

fn sensors_form(events: &[ShopEvent], now: i64) -> Sent {
    let data = form("data_list", &STANDARD.encode(sensors_records(events, now)));
    let mut sent =
        Sent::new("SensorsData, base64 in a form", "/sa", "application/x-www-form-urlencoded", data);
    sent.query = format!("project={KEY}");
    sent
}

fn sensors_json(events: &[ShopEvent], now: i64) -> Sent {
    let data = form("data_list", &URL_SAFE_NO_PAD.encode(sensors_records(events, now)));
    let mut sent = Sent::new("SensorsData, URL-safe base64", "/sa", "text/plain", data);
    sent.query = format!("project={KEY}");
    sent
}

fn mixpanel(events: &[ShopEvent], now: i64) -> Sent {
    let events = list(events, |e| {
        json!({ "event": e.name, "properties": with(e, json!({ "token": KEY, "time": now - e.ago_ms,
            "distinct_id": e.user, "$device_id": e.device, "$insert_id": e.id, "mp_lib": "node" })) })
    });
    let data = format!("data={}", STANDARD.encode(Value::from(events).to_string()));
    Sent::new("Mixpanel, base64 in a form", "/track", "application/x-www-form-urlencoded", data)
}

fn snowplow(events: &[ShopEvent], now: i64) -> Sent {
    let data = list(events, |e| {
        let event = json!({ "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
            "data": { "schema": format!("iglu:com.shop/{}/jsonschema/1-0-0", e.name), "data": e.properties } });
        json!({ "e": "ue", "eid": e.id, "dtm": (now - e.ago_ms).to_string(), "stm": now.to_string(), "aid": KEY,
            "uid": e.user, "duid": e.device, "tv": "node-4.8.0", "p": "srv", "ue_px": URL_SAFE_NO_PAD.encode(event.to_string()) })
    });
    let body = json!({ "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4", "data": data });
    Sent::json("Snowplow", "/com.snowplowanalytics.snowplow/tp2", &body)
}

fn umami(event: &ShopEvent) -> Sent {
    let payload = json!({ "website": KEY, "hostname": "shop.example", "url": "/item", "name": event.name,
        "data": event.properties });
    Sent::json("Umami", "/api/send", &json!({ "type": "event", "payload": payload }))
}

fn plausible(event: &ShopEvent) -> Sent {
    let body = json!({ "n": event.name, "u": "https://shop.example/item", "d": KEY, "r": "https://example.com",
        "p": event.properties.to_string() });
    Sent::new("Plausible", "/api/event", "text/plain", body.to_string())
}
