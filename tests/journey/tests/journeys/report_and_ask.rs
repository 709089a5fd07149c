use reqwest::Method;
use serde_json::{Value, json};
use suanpan_journey::{App, HOUR_MS, MINUTE_MS, Reply, ago, measure, now_ms, rule};

use crate::shared;

journeys! {
    a_reported_event_can_be_asked_about,
    answers_split_and_filter_by_custom_and_built_in_attributes,
    an_answer_comes_from_the_cache_until_newer_events_arrive,
    one_query_serves_many_askers_of_the_same_question,
    every_form_of_a_report_is_taken,
    what_was_odd_about_an_event_is_said_beside_its_result,
    an_attribute_counts_from_before_and_after_its_definition,
    saved_rules_have_versions_and_answers,
    a_rule_is_explained,
    the_server_describes_and_measures_itself,
}

async fn a_reported_event_can_be_asked_about() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let report = app.report(&json!({ "event": "open", "user_id": "ann" })).await.expect(200);
    assert_eq!(
        (&report["accepted"], &report["duplicate"], &report["rejected"]),
        (&json!(1), &json!(0), &json!(0))
    );
    assert_eq!(report["results"][0]["status"], "ok");
    let answer = app.ask_until(&rule(json!({})), &json!([1])).await;
    assert!(
        answer["as_of_ms"].as_i64().is_some_and(|ms| (ago(10 * MINUTE_MS)..=now_ms()).contains(&ms)),
        "{answer:#}"
    );
    shared::settle().await;
    assert_eq!(app.outcomes().await, [("stored".to_owned(), 1)].into());
}

async fn answers_split_and_filter_by_custom_and_built_in_attributes() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    app.define("amount", "number").await;
    app.define("channel", "string").await;
    app.define("paid", "boolean").await;
    let event = |person: &str, platform: &str, properties: Value| json!({ "event": "order", "user_id": person, "platform": platform, "properties": properties });
    app.accept(&[
        event("ann", "ios", json!({ "amount": 10, "channel": "search", "paid": true })),
        event("ann", "ios", json!({ "amount": 20.5, "channel": "mail", "paid": false })),
        event("bob", "android", json!({ "amount": 30, "channel": "search", "paid": true })),
        event("cem", "android", json!({ "amount": "many", "channel": "二维码" })),
        json!({ "event": "open", "device_id": "d1" }),
    ])
    .await;
    shared::settle().await;

    let all = [measure("events"), measure("people"), measure("events_per_person")];
    assert_eq!(app.totals(&rule(json!({ "measures": all }))).await, json!([5, 4, 1.25]));
    let amounts = ["sum", "avg", "min", "max"].map(|kind| json!({ "measure": kind, "attribute": "amount" }));
    assert_eq!(app.totals(&rule(json!({ "measures": amounts }))).await, json!([60.5, 60.5 / 3.0, 10, 30]));

    let filtered = async |filter: Value| app.totals(&rule(json!({ "filter": filter }))).await;
    assert_eq!(filtered(json!({ "attribute": "amount", "is": "≥", "value": 20 })).await, json!([2]));
    assert_eq!(filtered(json!({ "attribute": "channel", "is": "=", "value": "二维码" })).await, json!([1]));
    assert_eq!(filtered(json!({ "attribute": "paid", "is": "=", "value": true })).await, json!([2]));
    assert_eq!(filtered(json!({ "attribute": "channel", "is": "is not set" })).await, json!([1]));
    assert_eq!(
        filtered(json!({ "attribute": "platform", "is": "in", "value": ["ios", "harmony"] })).await,
        json!([2])
    );
    let both = json!({ "and": [{ "attribute": "event", "is": "=", "value": "order" },
        { "not": { "attribute": "user_id", "is": "starts", "value": "b" } }] });
    assert_eq!(filtered(both).await, json!([3]));

    let answer = app
        .ask(&rule(json!({ "breakdown": ["platform", "channel"], "top": 2,
        "filter": { "attribute": "event", "is": "=", "value": "order" } })))
        .await;
    let groups: Vec<(&Value, &Value)> =
        series(&answer).iter().map(|s| (&s["others"], &s["total"][0])).collect();
    assert_eq!(groups.len(), 3, "{answer:#}");
    assert_eq!(groups[2], (&json!(true), &json!(2)), "{answer:#}");
    let by_platform =
        app.ask(&rule(json!({ "breakdown": "platform", "measures": [measure("people")] }))).await;
    let mut named: Vec<String> =
        series(&by_platform).iter().map(|s| format!("{} {}", s["group"][0], s["total"][0])).collect();
    named.sort();
    assert_eq!(named, ["\"android\" 2", "\"ios\" 1", "null 1"]);
}

async fn an_answer_comes_from_the_cache_until_newer_events_arrive() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    app.accept(&[json!({ "event": "open", "user_id": "ann" })]).await;
    shared::settle().await;
    let question = rule(json!({ "range": { "last": 2, "unit": "month" } }));
    let first = app.ask(&question).await;
    assert_eq!((&first["cache"], &first["series"][0]["total"]), (&json!("miss"), &json!([1])));
    let second = app.try_ask(&question).await.expect(200);
    assert_eq!((&second["cache"], &second["series"]), (&json!("hit"), &first["series"]));
    assert_eq!(second["computed_ms"], first["computed_ms"]);

    // The same question in other words, and with a title, is the same question.
    let spelt = json!({ "range": { "unit": "month", "last": 2 }, "title": "Opened", "breakdown": [] });
    assert_eq!(app.try_ask(&rule(spelt)).await.expect(200)["cache"], "hit");

    app.accept(&[json!({ "event": "open", "user_id": "bob" })]).await;
    shared::settle().await;
    // An answer without the new event is marked from now on, and never older than a second.
    loop {
        let asked_ms = now_ms();
        let answer = app.try_ask(&question).await.expect(200);
        if answer["series"][0]["total"] == json!([2]) {
            assert_ne!(answer["cache"], "stale");
            break;
        }
        assert_eq!(answer["cache"], "stale", "{answer:#}");
        let age_ms = asked_ms - answer["computed_ms"].as_i64().expect("a time");
        let computing_ms = answer["compute_ms"].as_f64().expect("a duration");
        assert!(age_ms as f64 <= 1000.0 + computing_ms + 500.0, "{age_ms} ms: {answer:#}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    // A closed range does not care about what is reported today.
    let closed = rule(json!({ "range": { "from": "2024-01-01", "to": "2024-01-31" } }));
    app.ask(&closed).await;
    app.accept(&[json!({ "event": "open", "user_id": "cem" })]).await;
    shared::settle().await;
    assert_eq!(app.try_ask(&closed).await.expect(200)["cache"], "hit");
}

async fn one_query_serves_many_askers_of_the_same_question() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let events: Vec<Value> =
        (0..1000).map(|n| json!({ "event": "open", "user_id": format!("u{n}") })).collect();
    app.accept(&events).await;
    shared::settle().await;
    let question = rule(json!({ "measures": [measure("people")], "interval": "hour" }));
    let askers: Vec<_> = (0..24)
        .map(|_| {
            let (app, question) = (app.clone(), question.clone());
            tokio::spawn(async move { app.try_ask(&question).await.expect(200) })
        })
        .collect();
    let mut computed = 0;
    for asker in askers {
        let answer = asker.await.expect("an asker");
        assert_eq!(answer["series"][0]["total"], json!([1000]));
        computed += usize::from(answer["cache"] == "miss");
    }
    assert_eq!(computed, 1, "all but one asker shared or came later");
}

async fn every_form_of_a_report_is_taken() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let event = json!({ "event": "open", "user_id": 42 });
    assert_eq!(app.report(&event).await.expect(200)["accepted"], 1);
    assert_eq!(app.report(&json!([event, event])).await.expect(200)["accepted"], 2);
    assert_eq!(
        app.report(&json!({ "events": [event], "sent_at": now_ms() })).await.expect(200)["accepted"],
        1
    );
    assert_eq!(app.report(&json!([])).await.expect(200)["accepted"], 0);

    let text = serde_json::to_vec(&event).expect("JSON");
    let request = || {
        calls.request(Method::POST, "/v1/events").header("content-type", "application/json; charset=utf-8")
    };
    let by_basic = request().basic_auth(&app.write_key, Some("")).body(text.clone());
    assert_eq!(Reply::of(by_basic).await.expect(200)["accepted"], 1);
    let gzipped = request().bearer_auth(&app.write_key).header("content-encoding", "gzip").body(gzip(&text));
    assert_eq!(Reply::of(gzipped).await.expect(200)["accepted"], 1);
    app.ask_until(
        &rule(json!({ "filter": { "attribute": "user_id", "is": "=", "value": "42" } })),
        &json!([6]),
    )
    .await;
}

async fn what_was_odd_about_an_event_is_said_beside_its_result() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    // A client whose clock is a day slow.
    let body = json!({ "sent_at": ago(24 * HOUR_MS), "events": [
        { "event": "open", "user_id": "ann", "time": ago(25 * HOUR_MS), "colour": "red" },
        { "event": "open", "user_id": "ann", "properties": 7 },
        { "event": "open", "user_id": "ann", "properties": { "n": 1 } },
    ]});
    let report = app.report(&body).await.expect(200);
    assert_eq!((&report["accepted"], &report["rejected"]), (&json!(2), &json!(1)), "{report:#}");
    let notes = report["results"][0]["notes"].as_array().expect("notes");
    let mut codes: Vec<&str> = notes.iter().filter_map(|note| note["code"].as_str()).collect();
    codes.sort_unstable();
    assert_eq!(
        (codes.as_slice(), &report["results"][0]["status"]),
        (["clock_corrected", "unknown_field"].as_slice(), &json!("warning"))
    );
    assert_eq!(report["results"][1]["code"], "wrong_type");
    assert_eq!(report["results"][2]["status"], "ok");
    // The wrong clock was mended: the first event is an hour old, not 25.
    let recent = json!({ "attribute": "event_time", "is": "≥", "value": rfc3339(ago(2 * HOUR_MS)) });
    app.ask_until(&rule(json!({ "filter": recent })), &json!([2])).await;
}

async fn an_attribute_counts_from_before_and_after_its_definition() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let order =
        |amount: Value| json!({ "event": "order", "user_id": "ann", "properties": { "amount": amount } });
    app.accept(&[order(json!(1)), order(json!(2))]).await;
    shared::settle().await;
    app.define("amount", "number").await;
    app.accept(&[order(json!(3)), order(json!("4")), order(Value::Null)]).await;
    shared::settle().await;
    let sum = json!([{ "measure": "sum", "attribute": "amount" }, { "measure": "distinct", "attribute": "amount" }]);
    let as_number = app.totals(&rule(json!({ "measures": sum }))).await;
    assert_eq!(as_number, json!([10, 4]));
    // The same property as another type, without a definition, is read from what was reported.
    let as_text = json!([{ "measure": "distinct", "attribute": "amount", "type": "string" }]);
    assert_eq!(app.totals(&rule(json!({ "measures": as_text }))).await, json!([4]));
}

async fn saved_rules_have_versions_and_answers() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    app.accept(&[json!({ "event": "open", "user_id": "ann" }), json!({ "event": "open", "user_id": "ann" })])
        .await;
    shared::settle().await;
    let save = async |rule: Value| {
        let body = json!({ "title": "Opened", "rule": rule });
        calls.admin(Method::PUT, &app.path("/rules/opened"), Some(&body)).await
    };
    assert_eq!(save(rule(json!({}))).await.expect(200)["version"], 1);
    assert_eq!(save(rule(json!({ "measures": [measure("people")] }))).await.expect(200)["version"], 2);
    let problem = save(rule(json!({ "breakdown": ["chanel"] }))).await.problem(422, "rule_invalid");
    assert_eq!(problem["errors"][0]["path"], "breakdown[0]");

    let read = async |path: &str| {
        Reply::of(calls.request(Method::GET, &app.path(path)).bearer_auth(&app.read_key)).await
    };
    assert_eq!(read("/rules/opened/versions").await.expect(200).as_array().map(Vec::len), Some(2));
    assert_eq!(read("/rules/opened/answer").await.expect(200)["series"][0]["total"], json!([1]));
    calls.admin(Method::DELETE, &app.path("/rules/opened"), None).await.expect(204);
    read("/rules/opened/answer").await.problem(404, "not_found");
    calls.admin(Method::POST, &app.path("/rules/opened/restore"), None).await.expect(200);
    assert_eq!(read("/rules/opened").await.expect(200)["version"], 2);
}

async fn a_rule_is_explained() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    app.define("amount", "number").await;
    app.accept(&[json!({ "event": "order", "user_id": "ann", "properties": { "amount": 5 } })]).await;
    shared::settle().await;
    let question = rule(json!({ "measures": [{ "measure": "sum", "attribute": "amount" }],
        "filter": { "attribute": "user_id", "is": "!=", "value": "o'der" } }));
    let request =
        calls.request(Method::POST, &app.path("/explain")).bearer_auth(&app.read_key).json(&question);
    let explained = Reply::of(request).await.expect(200);
    assert!(explained["plan"].as_str().is_some_and(|plan| plan.contains("amount")), "{explained:#}");
    let sql = explained["statements"][0]["sql"].as_str().expect("SQL");
    assert!(sql.contains("{") && !sql.contains("o'der"), "values are parameters: {sql}");
    assert_eq!(
        (&explained["slots"][0]["attribute"], &explained["slots"][0]["covered"]),
        (&json!("amount"), &json!(true))
    );
    assert!(explained["rows_to_read"].as_u64().is_some_and(|rows| rows >= 1), "{explained:#}");
}

async fn the_server_describes_and_measures_itself() {
    let calls = shared::server().await;
    let get = async |path: &str| Reply::of(calls.request(Method::GET, path)).await;
    assert_eq!(get("/health/live").await.expect(200)["status"], "ok");
    assert_eq!(get("/health/ready").await.expect(200)["status"], "ok");
    let openapi = get("/api/openapi.json").await.expect(200);
    for path in ["/v1/events", "/api/apps/{app}/ask", "/api/apps/{app}/keys/{key}", "/health/ready"] {
        assert!(openapi["paths"][path].is_object(), "{path} is described");
    }
    assert!(get("/api/rule.schema.json").await.expect(200)["properties"]["measures"].is_object());
    let app = App::create(&calls).await;
    app.accept(&[json!({ "event": "open", "user_id": "ann" })]).await;
    shared::settle().await;
    let metrics = get("/metrics").await.expect(200);
    let metrics = metrics.as_str().expect("metrics are text");
    for name in
        ["suanpan_gateway_events_total{format=\"native\",result=\"ok\"}", "suanpan_pipeline_", "suanpan_log_"]
    {
        assert!(metrics.contains(name), "{name} is measured:\n{metrics}");
    }
    get("/api/nothing").await.problem(404, "no_such_path");
    Reply::of(calls.request(Method::PUT, "/v1/events")).await.problem(405, "method_not_allowed");
}

fn series(answer: &Value) -> &[Value] {
    answer["series"].as_array().expect("series")
}

fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).expect("a time near now").to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory can be written to")
}
