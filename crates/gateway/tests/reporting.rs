//! The gateway over a real catalog and a real log.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use serde_json::{Value, json};
use suanpan_catalog::{Catalog, KeyKind, NewApp, NewKey};
use suanpan_event::Record;
use suanpan_gateway::{Gateway, GatewayLimits, GatewayParts, router};
use suanpan_log::{EmbeddedLog, Entry, EventLog, LogConfig};
use tempfile::TempDir;
use tower::ServiceExt as _;

/// 2026-03-01T12:00:00Z
const NOW_MS: i64 = 1_772_366_400_000;
const DAY_MS: i64 = 86_400_000;

struct Edge {
    _folder: TempDir,
    log: Arc<dyn EventLog>,
    router: Router,
    key: String,
    old_key: String,
}

impl Edge {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).await.unwrap();
        let app: suanpan_event::AppId = "shop".parse().unwrap();
        let new = NewApp { id: app.clone(), title: "Shop".into(), time_zone: "UTC".into() };
        catalog.create_app(new).await.unwrap();
        let key = async |may_report_old| {
            let new = NewKey { may_report_old, ..NewKey::new(KeyKind::Write) };
            catalog.create_key(&app, new).await.unwrap().1.expose().to_owned()
        };
        let (key, old_key) = (key(false).await, key(true).await);
        let config = LogConfig { partitions: 1, ..LogConfig::new(folder.path().join("log")) };
        let log: Arc<dyn EventLog> = Arc::new(EmbeddedLog::open(config).unwrap());
        let parts = GatewayParts::new(catalog, log.clone(), GatewayLimits::default(), Arc::new(|| NOW_MS));
        let gateway = Gateway::open(parts).await.unwrap();
        Self { _folder: folder, log, router: router(gateway), key, old_key }
    }

    async fn send(&self, key: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        let request = Request::post("/v1/events")
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.into())
            .unwrap();
        let response: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn report(&self, body: Value) -> Value {
        let (status, report) = self.send(&self.key, body.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{report}");
        report
    }

    async fn end_offset(&self) -> u64 {
        self.log.positions().await.unwrap()[0].end_offset
    }

    /// The accepted events from an offset on, as JSON.
    async fn records(&self, from: u64) -> Vec<Value> {
        self.all_records(from).await.into_iter().filter(|record| record.get("dead").is_none()).collect()
    }

    /// The refused events from an offset on, as JSON.
    async fn dead(&self, from: u64) -> Vec<Value> {
        self.all_records(from)
            .await
            .into_iter()
            .filter_map(|mut record| record.get_mut("dead").map(Value::take))
            .collect()
    }

    async fn all_records(&self, from: u64) -> Vec<Value> {
        let entries =
            self.log.look(0, from).await.unwrap().next_batch(1000, 1 << 20, Duration::ZERO).await.unwrap();
        let record = |entry| match entry {
            Entry::Record { payload, .. } => {
                Record::decode(&payload).unwrap();
                serde_json::from_slice(&payload).unwrap()
            }
            Entry::Damaged { offsets } => panic!("{offsets:?} are damaged"),
        };
        entries.into_iter().map(record).collect()
    }
}

#[tokio::test]
async fn what_is_accepted_is_in_the_log_as_it_was_sent() {
    let edge = Edge::new().await;
    let report = edge
        .report(json!({
            "id": "0193f3a0-0000-7000-8000-000000000001", "event": "buy", "time": "2026-03-01T19:00:00+08:00",
            "user_id": 7, "device_id": "d", "session_id": "s", "platform": "web", "app_version": "1.2",
            "library": "test/1", "properties": { "amount": 12.50, "店": ["a", null] }
        }))
        .await;
    assert_eq!(report["results"][0], json!({ "status": "ok", "id": "0193f3a0-0000-7000-8000-000000000001" }));
    assert_eq!(
        edge.records(0).await,
        [json!({
            "app": "shop", "id": "0193f3a0-0000-7000-8000-000000000001", "event": "buy",
            "time": NOW_MS - 3_600_000, "received": NOW_MS, "user": "7", "device": "d", "session": "s",
            "platform": "web", "app_version": "1.2", "library": "test/1",
            "props": { "amount": 12.50, "店": ["a", null] }
        })]
    );
}

#[tokio::test]
async fn a_wrong_event_does_not_refuse_its_neighbours() {
    let edge = Edge::new().await;
    let good = json!({ "id": "a", "event": "buy", "user_id": "u" });
    let report = edge.report(json!({ "events": [good, { "event": "buy" }, good, "text"] })).await;
    let statuses: Vec<_> = report["results"].as_array().unwrap().iter().map(|r| &r["status"]).collect();
    assert_eq!(statuses, ["ok", "rejected", "duplicate", "rejected"]);
    assert_eq!(
        (&report["accepted"], &report["duplicate"], &report["rejected"]),
        (&json!(1), &json!(1), &json!(2))
    );
    // The repetition is in the log as well: the pipeline counts it with all other duplicates.
    assert_eq!(edge.records(0).await.len(), 2);
    let dead = edge.dead(0).await;
    let told = |at: usize| (&dead[at]["code"], &dead[at]["raw"], &dead[at]["is_replayable"]);
    assert_eq!(told(0), (&json!("identity_missing"), &json!(r#"{"event":"buy"}"#), &json!(true)));
    assert_eq!(told(1), (&json!("malformed"), &json!(r#""text""#), &Value::Null));
}

#[tokio::test]
async fn a_refused_event_keeps_no_more_of_an_address_than_the_app_stores() {
    let edge = Edge::new().await;
    let old = json!({ "event": "buy", "user_id": "u", "ip": "203.0.113.77", "time": 0 });
    edge.report(json!([old, { "ip": "203.0.113.77", "event": [] }])).await;
    let dead = edge.dead(0).await;
    for record in &dead {
        let raw = record["raw"].as_str().unwrap();
        assert!(raw.contains("203.0.113.0") && !record.to_string().contains("113.77"), "{record}");
    }
    assert_eq!((&dead[0]["code"], &dead[1]["code"]), (&json!("time_too_old"), &json!("wrong_type")));
}

#[tokio::test]
async fn an_id_is_the_clients_or_follows_from_the_record() {
    let edge = Edge::new().await;
    let id = async |event: Value| edge.report(event).await["results"][0]["id"].as_str().unwrap().to_owned();
    let named = json!({ "id": "order-17", "event": "buy", "user_id": "u" });
    assert_eq!(id(named.clone()).await, id(named).await);
    // A time of its own makes a record tell itself from the next; without one, two may be two.
    let timed = json!({ "event": "buy", "user_id": "u", "time": NOW_MS });
    assert_eq!(id(timed.clone()).await, id(timed).await);
    let bare = json!({ "event": "buy", "user_id": "u" });
    assert_ne!(id(bare.clone()).await, id(bare).await);
}

#[tokio::test]
async fn times_are_checked_and_a_wrong_clock_is_corrected() {
    let edge = Edge::new().await;
    let event = |time: i64| json!({ "event": "buy", "user_id": "u", "time": time });
    let code = async |key: &str, time: i64| {
        let (_, report) = edge.send(key, event(time).to_string()).await;
        report["results"][0]["code"].clone()
    };
    assert_eq!(code(&edge.key, NOW_MS - 29 * DAY_MS).await, Value::Null);
    assert_eq!(code(&edge.key, NOW_MS - 31 * DAY_MS).await, "time_too_old");
    assert_eq!(code(&edge.old_key, NOW_MS - 900 * DAY_MS).await, Value::Null);
    assert_eq!(code(&edge.old_key, NOW_MS + 2 * DAY_MS).await, "time_in_future");
    let from = edge.end_offset().await;
    let behind = NOW_MS - 3 * 3_600_000;
    let report = edge.report(json!({ "events": [event(behind - 1000)], "sent_at": behind })).await;
    assert_eq!(report["results"][0]["notes"][0]["code"], "clock_corrected");
    let record = &edge.records(from).await[0];
    assert_eq!((&record["time"], &record["client_time"]), (&json!(NOW_MS - 1000), &json!(behind - 1000)));
    // A few minutes may be the network's.
    let report = edge.report(json!({ "events": [event(NOW_MS - 1000)], "sent_at": NOW_MS - 300_000 })).await;
    assert_eq!(report["results"][0]["status"], "ok");
}

/// Bodies from nonsense to nearly right.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let text = r#"[{}\[\]",:a-z0-9.\\u-]{0,80}"#;
    let field = prop_oneof![
        Just("event"),
        Just("user_id"),
        Just("time"),
        Just("id"),
        Just("properties"),
        Just("events"),
        Just("sent_at")
    ];
    let value = prop_oneof![
        Just("\"x\"".to_owned()),
        Just("null".to_owned()),
        Just("1e999".to_owned()),
        Just("{}".to_owned()),
        Just("[]".to_owned()),
        Just("[{\"event\":\"e\",\"user_id\":\"u\"}]".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        text.prop_map(|t| format!("\"{}\"", t.replace(['"', '\\'], ""))),
        Just("{\"a\":{\"b\":[[[[[[[[1]]]]]]]]}}".to_owned()),
        Just("{\"n\":99999999999999999999}".to_owned()),
    ];
    let object = prop::collection::vec((field, value), 0..6).prop_map(|fields| {
        let fields: Vec<_> = fields.into_iter().map(|(f, v)| format!("\"{f}\":{v}")).collect();
        format!("{{{}}}", fields.join(",")).into_bytes()
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..200), text.prop_map(String::into_bytes), object]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_body_breaks_it_and_only_what_it_accepts_is_logged(bodies in prop::collection::vec(bodies(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let edge = Edge::new().await;
            let (mut accepted, mut rejected) = (0, 0);
            for body in bodies {
                let (status, answer) = edge.send(&edge.key, body).await;
                match status {
                    StatusCode::OK => {
                        // A repetition within the request is logged as well, to be counted with the others.
                        accepted += answer["accepted"].as_u64().unwrap();
                        accepted += answer["duplicate"].as_u64().unwrap_or(0);
                        rejected += answer["rejected"].as_u64().unwrap();
                    }
                    _ => assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}"),
                }
            }
            assert_eq!(edge.end_offset().await, accepted + rejected);
            assert_eq!(edge.records(0).await.len() as u64, accepted);
            assert_eq!(edge.dead(0).await.len() as u64, rejected);
        });
    }
}

#[tokio::test]
async fn an_odd_event_is_told_of_in_a_few_words() {
    let edge = Edge::new().await;
    let fields: Vec<String> = (0..2500).map(|n| format!("\"f{n}\":1")).collect();
    let body = format!("{{\"event\":\"e\",\"user_id\":\"u\",{}}}", fields.join(","));
    let (_, report) = edge.send(&edge.key, body.clone()).await;
    assert_eq!(report["results"][0]["status"], "warning");
    let text = report.to_string();
    assert!(text.len() < 4000, "{} bytes answer {} bytes: {}", text.len(), body.len(), &text[..200]);
    let numbers =
        format!(r#"{{"event":"e","user_id":"u","properties":{{"n":[{}]}}}}"#, vec!["1e999"; 4000].join(","));
    let (_, report) = edge.send(&edge.key, numbers).await;
    assert_eq!(report["results"][0]["notes"].as_array().unwrap().len(), suanpan_event::WARNINGS_MAX);
}

#[tokio::test]
async fn a_million_elements_are_counted_and_refused() {
    let edge = Edge::new().await;
    let (status, problem) = edge.send(&edge.key, format!("[{}1]", "1,".repeat(500_000))).await;
    assert_eq!(
        (status, &problem["limit"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &json!("gateway.events_per_request_max"))
    );
    assert!(problem["detail"].as_str().unwrap().starts_with("500001 events"), "{problem}");
}
