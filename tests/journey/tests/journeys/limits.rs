use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};
use suanpan_journey::{App, Calls, DAY_MS, HOUR_MS, MINUTE_MS, Reply, Server, ago, rule};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::shared;

journeys! {
    a_body_is_at_most_6_mib_and_8_mib_unpacked,
    a_request_has_at_most_1000_events,
    an_event_has_at_most_32_kib_255_properties_and_8_levels,
    names_have_at_most_128_characters_and_ids_255,
    an_event_is_at_most_30_days_old_and_a_day_ahead,
    what_is_no_event_is_refused_beside_its_neighbours,
    what_is_no_report_is_refused_as_a_whole,
    other_limits_hold_when_they_are_configured,
    the_catalog_is_bounded,
}

fn event() -> Value {
    json!({ "event": "open", "user_id": "ann" })
}

/// A report with the app's write key and a body as it is.
fn post(calls: &Calls, app: &App) -> RequestBuilder {
    let request = calls.request(Method::POST, "/v1/events").bearer_auth(&app.write_key);
    request.header("content-type", "application/json")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory can be written to")
}

/// JSON of an empty batch, padded to so many bytes.
fn padded(bytes: usize) -> Vec<u8> {
    let mut body = vec![b' '; bytes];
    body[0] = b'[';
    body[bytes - 1] = b']';
    body
}

async fn a_body_is_at_most_6_mib_and_8_mib_unpacked() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    Reply::of(post(&calls, &app).body(padded(6 << 20))).await.expect(200);
    Reply::of(post(&calls, &app).body(padded((6 << 20) + 1)))
        .await
        .over_limit((413, "body_too_large"), "body_bytes_max");
    // A client that does not say how much it sends.
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(1 << 16));
    let head = "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = exchange(&calls, &format!("{}{head}{}", head_of(&app), chunk.repeat(97))).await;
    assert!(answer.contains(" 413 ") && answer.contains("body_bytes_max"), "{answer}");

    let gzipped =
        |bytes: usize| post(&calls, &app).header("content-encoding", "gzip").body(gzip(&padded(bytes)));
    Reply::of(gzipped(8 << 20)).await.expect(200);
    for bomb in [(8 << 20) + 1, 100 << 20] {
        Reply::of(gzipped(bomb)).await.over_limit((413, "body_too_large"), "unpacked_bytes_max");
    }
}

async fn a_request_has_at_most_1000_events() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    app.accept(&vec![event(); 1000]).await;
    let over = app
        .report(&json!(vec![event(); 1001]))
        .await
        .over_limit((413, "too_many_events"), "events_per_request_max");
    assert!(over["detail"].as_str().is_some_and(|d| d.contains("1001") && d.contains("1000")), "{over:#}");
    shared::settle().await;
    assert_eq!(app.outcomes().await, [("stored".to_owned(), 1000)].into());
}

/// Reports an event that is just within a limit and one just over it, between two others.
async fn just_over(app: &App, within: Value, over: Value, (code, field): (&str, &str)) -> Value {
    let report = app.report(&json!([event(), within, over, event()])).await.expect(200);
    let statuses: Vec<&str> =
        report["results"].as_array().into_iter().flatten().filter_map(|r| r["status"].as_str()).collect();
    assert_eq!(statuses, ["ok", "ok", "rejected", "ok"], "{report:#}");
    let result = &report["results"][2];
    assert_eq!(
        (&result["code"], result["field"].as_str().unwrap_or("")),
        (&json!(code), field),
        "{result:#}"
    );
    assert_eq!((&report["accepted"], &report["rejected"]), (&json!(3), &json!(1)));
    result["message"].clone()
}

#[track_caller]
fn names(message: &Value, parts: &[&str]) {
    let text = message.as_str().expect("a message");
    assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} are not in {text:?}");
}

fn with_properties(properties: Value) -> Value {
    let mut event = event();
    event["properties"] = properties;
    event
}

/// An event whose JSON text has so many bytes.
fn sized(bytes: usize) -> Value {
    let frame = with_properties(json!({ "text": "" })).to_string().len();
    with_properties(json!({ "text": "x".repeat(bytes - frame) }))
}

fn many_properties(count: usize) -> Value {
    with_properties(Value::Object((0..count).map(|n| (format!("p{n}"), json!(n))).collect::<Map<_, _>>()))
}

/// Objects in objects; the properties object is the first level.
fn nested(levels: usize) -> Value {
    with_properties((1..levels).fold(json!({}), |inner, _| json!({ "in": inner })))
}

async fn an_event_has_at_most_32_kib_255_properties_and_8_levels() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let said = just_over(&app, sized(32 << 10), sized((32 << 10) + 1), ("event_too_large", "")).await;
    names(&said, &["event_bytes_max", "32768", "32769"]);
    let said =
        just_over(&app, many_properties(255), many_properties(256), ("too_many_properties", "properties"))
            .await;
    names(&said, &["properties_max", "255"]);
    let deep = nested(9);
    let report = app.report(&json!([nested(8), deep])).await.expect(200);
    assert_eq!(report["results"][0]["status"], "ok", "{report:#}");
    assert_eq!(report["results"][1]["code"], "too_deep", "{report:#}");
    names(&report["results"][1]["message"], &["depth_max", "8"]);
    // Deeper than any parser's stack.
    let bottomless =
        format!("[{{\"event\":\"open\",\"user_id\":\"ann\",\"properties\":{}", "{\"a\":[".repeat(100_000));
    let reply = Reply::of(post(&calls, &app).body(bottomless)).await;
    assert!(matches!(reply.status, 400), "{:#}", reply.body);
    shared::settle().await;
    assert_eq!(app.outcomes().await, [("refused".to_owned(), 3), ("stored".to_owned(), 7)].into());
}

async fn names_have_at_most_128_characters_and_ids_255() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let name = |chars: usize| json!({ "event": "名".repeat(chars), "user_id": "ann" });
    names(
        &just_over(&app, name(128), name(129), ("too_long", "event")).await,
        &["name_chars_max", "128", "129"],
    );
    let property = |chars: usize| with_properties(json!({ "名".repeat(chars): 1 }));
    let report = app.report(&json!([property(128), property(129)])).await.expect(200);
    assert_eq!(
        (&report["accepted"], &report["results"][1]["code"]),
        (&json!(1), &json!("too_long")),
        "{report:#}"
    );
    names(&report["results"][1]["message"], &["name_chars_max", "128"]);
    for field in ["id", "user_id", "device_id", "session_id", "platform", "app_version", "library"] {
        let id = |chars: usize| {
            let mut event = event();
            event[field] = json!("é".repeat(chars));
            event
        };
        names(&just_over(&app, id(255), id(256), ("too_long", field)).await, &["id_chars_max", "255", "256"]);
    }
}

async fn an_event_is_at_most_30_days_old_and_a_day_ahead() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let at = |ms: i64| json!({ "event": "open", "user_id": "ann", "time": ms });
    let old = ago(30 * DAY_MS + HOUR_MS);
    let said = just_over(&app, at(ago(30 * DAY_MS - HOUR_MS)), at(old), ("time_too_old", "time")).await;
    names(&said, &["late_days_max", "30", "may-report-old"]);
    let ahead = |minutes: i64| at(ago(-minutes * MINUTE_MS));
    names(
        &just_over(&app, ahead(24 * 60 - 2), ahead(24 * 60 + 2), ("time_in_future", "time")).await,
        &["future_minutes_max", "1440"],
    );
    let importing = app.importing().await;
    importing.accept(&[at(old), at(ago(3000 * DAY_MS)), at(0)]).await;
    let report = importing.report(&json!([ahead(24 * 60 + 2)])).await.expect(200);
    assert_eq!(report["results"][0]["code"], "time_in_future", "{report:#}");
}

async fn what_is_no_event_is_refused_beside_its_neighbours() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let ann = |event: Value| json!({ "event": event, "user_id": "ann" });
    let wrong = [
        (json!("open"), "malformed", ""),
        (json!(null), "malformed", ""),
        (json!({ "user_id": "ann" }), "missing", "event"),
        (ann(json!("")), "missing", "event"),
        (ann(json!(["open"])), "wrong_type", "event"),
        (ann(json!("a\u{0}b")), "invalid_name", "event"),
        (json!({ "event": "open" }), "identity_missing", "user_id"),
        (json!({ "event": "open", "user_id": { "id": 1 } }), "wrong_type", "user_id"),
        (json!({ "event": "open", "user_id": "ann", "time": "yesterday" }), "time_invalid", "time"),
        (json!({ "event": "open", "user_id": "ann", "time": -1 }), "time_invalid", "time"),
        (json!({ "event": "open", "user_id": "ann", "properties": [1] }), "wrong_type", "properties"),
    ];
    let mut all: Vec<Value> = wrong.iter().map(|(event, ..)| event.clone()).collect();
    all.push(event());
    let report = app.report(&json!(all)).await.expect(200);
    assert_eq!((&report["accepted"], &report["rejected"]), (&json!(1), &json!(wrong.len())), "{report:#}");
    for (at, (event, code, field)) in wrong.iter().enumerate() {
        let result = &report["results"][at];
        let found = (result["code"].as_str().unwrap_or(""), result["field"].as_str().unwrap_or(""));
        assert_eq!(found, (*code, *field), "{event}: {result:#}");
        assert!(result["message"].as_str().is_some_and(|message| message.len() > 10), "{result:#}");
    }
    app.ask_until(&rule(json!({})), &json!([1])).await;
}

async fn what_is_no_report_is_refused_as_a_whole() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let send = async |body: Vec<u8>| Reply::of(post(&calls, &app).body(body)).await;
    let broken = b"[{\"event\":\"open\",\"user_id\":\"ann\"},\n {\"event\" \"open\"}]".to_vec();
    let problem = send(broken).await.problem(400, "malformed_json");
    names(&problem["detail"], &["line 2", "column"]);
    for body in ["", "{", "[{}", "[] []", "7", "\"open\""] {
        send(body.as_bytes().to_vec()).await.problem(400, "malformed_json");
    }
    let problem = send(b"[\"\xff\xfe\"]".to_vec()).await.problem(400, "malformed_json");
    names(&problem["detail"], &["UTF-8", "offset 2"]);

    let text = event().to_string();
    let plain = || calls.request(Method::POST, "/v1/events").bearer_auth(&app.write_key).body(text.clone());
    let json = || plain().header("content-type", "application/json");
    Reply::of(json().header("content-encoding", "br")).await.problem(415, "content_encoding");
    Reply::of(json().header("content-encoding", "gzip")).await.problem(400, "gzip_invalid");
    let cut = gzip(text.as_bytes());
    let cut = json().header("content-encoding", "gzip").body(cut[..cut.len() - 9].to_vec());
    Reply::of(cut).await.problem(400, "gzip_invalid");
    shared::settle().await;
    assert!(app.outcomes().await.is_empty(), "nothing unreadable was kept");
}

async fn other_limits_hold_when_they_are_configured() {
    let server = Server::start_with(&[
        "gateway.body_bytes_max=2048",
        "gateway.events_per_request_max=3",
        "gateway.event_bytes_max=300",
        "gateway.properties_max=2",
        "gateway.depth_max=2",
        "gateway.name_chars_max=5",
        "gateway.id_chars_max=40",
        "gateway.late_days_max=1",
        "gateway.future_minutes_max=0",
        "gateway.body_timeout_ms=300",
        "server.header_timeout_ms=300",
        "server.api_body_bytes_max=1024",
        "rules.measures_max=1",
        "rules.range_days_max=10",
        "catalog.apps_max=1",
        "catalog.keys_per_app_max=3",
        "catalog.attributes_per_app_max=1",
        "catalog.rules_per_app_max=1",
        "catalog.rule_versions_max=2",
    ])
    .await;
    let calls = server.calls();
    let app = App::create(&calls).await;
    app.report(&json!(vec![event(); 4])).await.over_limit((413, "too_many_events"), "events_per_request_max");
    Reply::of(post(&calls, &app).body(padded(2049)))
        .await
        .over_limit((413, "body_too_large"), "body_bytes_max");
    let wrong = [
        (sized(301), "event_too_large"),
        (many_properties(3), "too_many_properties"),
        (nested(3), "too_deep"),
        (json!({ "event": "opened", "user_id": "ann" }), "too_long"),
        (json!({ "event": "open", "user_id": "a".repeat(41) }), "too_long"),
        (json!({ "event": "open", "user_id": "ann", "time": ago(25 * HOUR_MS) }), "time_too_old"),
        (json!({ "event": "open", "user_id": "ann", "time": ago(-2 * MINUTE_MS) }), "time_in_future"),
    ];
    for (event, code) in wrong {
        let report = app.report(&event).await.expect(200);
        assert_eq!(report["results"][0]["code"], code, "{report:#}");
    }

    // A client that takes its time, with the head and with the body.
    let head = head_of(&app);
    let slow_body = format!("{head}content-type: application/json\r\ncontent-length: 9\r\n\r\n[");
    let answer = exchange(&calls, &slow_body).await;
    assert!(answer.contains(" 408 ") && answer.contains("body_timeout_ms"), "{answer}");
    let answer = exchange(&calls, &head).await;
    assert!(answer.is_empty() || answer.contains(" 408 "), "{answer}");

    let long = json!({ "id": "x", "title": "t".repeat(1024) });
    calls
        .admin(Method::POST, "/api/apps", Some(&long))
        .await
        .over_limit((413, "body_too_large"), "api_body_bytes_max");
    let measures = json!([{ "measure": "events" }, { "measure": "people" }]);
    over_in_rule(
        &app,
        json!({ "measures": measures, "range": { "last": 1, "unit": "day" } }),
        "measures_max",
    )
    .await;
    over_in_rule(&app, json!({ "range": { "last": 11, "unit": "day" } }), "range_days_max").await;
    the_configured_catalog(&calls, &app).await;
}

async fn over_in_rule(app: &App, changes: Value, limit: &str) {
    let problem = app.try_ask(&rule(changes)).await.problem(422, "rule_invalid");
    assert_eq!(problem["errors"][0]["code"], "limit_exceeded", "{problem:#}");
    names(&problem["errors"][0]["message"], &[limit]);
}

async fn the_configured_catalog(calls: &Calls, app: &App) {
    let add = async |method: Method, path: &str, body: Value| calls.admin(method, path, Some(&body)).await;
    let reached = async |method: Method, path: &str, body: Value, limit: &str| {
        add(method, path, body).await.over_limit((422, "limit_reached"), limit)
    };
    let (read, text) = (json!({ "kind": "read" }), json!({ "type": "string" }));
    reached(Method::POST, "/api/apps", json!({ "id": "second" }), "apps_max").await;
    app.key(read.clone()).await;
    reached(Method::POST, &app.path("/keys"), read, "keys_per_app_max").await;
    app.define("a", "number").await;
    reached(Method::PUT, &app.path("/attributes/b"), text, "attributes_per_app_max").await;
    let body = |last: u32| json!({ "rule": rule(json!({ "range": { "last": last, "unit": "day" } })) });
    for last in [1, 2] {
        add(Method::PUT, &app.path("/rules/a"), body(last)).await.expect(200);
    }
    reached(Method::PUT, &app.path("/rules/a"), body(3), "rule_versions_max").await;
    reached(Method::PUT, &app.path("/rules/b"), body(1), "rules_per_app_max").await;
}

/// The first lines of a report's head.
fn head_of(app: &App) -> String {
    format!("POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n", app.write_key)
}

/// Sends a request, or a part of it, as it is; gives what the server answers.
async fn exchange(calls: &Calls, request: &str) -> String {
    let address = calls.url().replace("http://", "");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("the server accepts");
    // It may have seen enough before it has read everything.
    let _refused = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let reading = async {
        let mut buffer = [0; 1024];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => answer.extend_from_slice(&buffer[..read]),
            }
            if answer.windows(9).any(|window| window == b"\"status\":") {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), reading)
        .await
        .expect("the server does not wait for ever");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn the_catalog_is_bounded() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let refused = async |method: Method, path: &str, body: Value| {
        let problem = calls.admin(method, path, Some(&body)).await.problem(422, "invalid");
        problem["detail"].as_str().expect("a sentence").to_owned()
    };
    for id in ["", "UPPER", "with space", &"x".repeat(65)] {
        refused(Method::POST, "/api/apps", json!({ "id": id })).await;
    }
    let zone = refused(Method::POST, "/api/apps", json!({ "id": "z", "time_zone": "Mars/Olympus" })).await;
    assert!(zone.contains("Mars/Olympus"), "{zone}");
    let long = "x".repeat(129);
    refused(Method::PUT, &app.path(&format!("/attributes/{long}")), json!({ "type": "string" })).await;
    refused(Method::PUT, &app.path(&format!("/rules/{long}")), json!({ "rule": rule(json!({})) })).await;
    let twice = calls.admin(Method::POST, "/api/apps", Some(&json!({ "id": app.id }))).await;
    twice.problem(409, "exists");
    let unknown = calls.admin(Method::POST, "/api/apps", Some(&json!({ "id": "z", "colour": "red" }))).await;
    let detail = unknown.problem(400, "malformed_json")["detail"].to_string();
    assert!(detail.contains("colour") && detail.contains("line 1"), "{detail}");
}
