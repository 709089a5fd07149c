use serde_json::{Value, json};
use suanpan_journey::{App, Calls, Server, measure, rule};

use crate::shared;

journeys! {
    a_wrong_rule_is_told_where_it_is_wrong_and_what_was_meant,
    a_question_over_its_limits_is_refused_by_name,
    too_many_questions_at_once_are_asked_to_come_again,
}

async fn a_wrong_rule_is_told_where_it_is_wrong_and_what_was_meant() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    app.define("amount", "number").await;
    let condition = |attribute: &str, is: &str, value: Value| json!({ "filter": { "attribute": attribute, "is": is, "value": value } });
    let sum = |attribute: &str| json!({ "measures": [{ "measure": "sum", "attribute": attribute }] });
    let conditions = vec![json!({ "attribute": "amount", "is": ">", "value": 1 }); 101];
    let wrong = [
        (json!({ "measures": [measure("peple")] }), "name_unknown", "measures[0].measure", Some("people")),
        (sum("amuont"), "attribute_unknown", "measures[0].attribute", Some("amount")),
        (sum("platform"), "type_mismatch", "measures[0].attribute", None),
        (json!({ "intervall": "day" }), "field_unknown", "intervall", Some("interval")),
        (json!({ "interval": "dya" }), "name_unknown", "interval", Some("day")),
        (condition("amount", "contains", json!("x")), "type_mismatch", "filter.is", None),
        (condition("amount", ">", json!("many")), "wrong_type", "filter.value", None),
        (condition("platform", "regex", json!("(")), "regex_invalid", "filter.value", None),
        (
            json!({ "range": { "from": "2026-02-30", "to": "2026-03-01" } }),
            "value_invalid",
            "range.from",
            None,
        ),
        (json!({ "range": { "from": "2026-03-02", "to": "2026-03-01" } }), "range_invalid", "range", None),
        (json!({ "version": 2 }), "version_unknown", "version", None),
        (json!({ "measures": [] }), "value_invalid", "measures", None),
        (
            json!({ "breakdown": ["event", "platform", "user_id", "library"] }),
            "limit_exceeded",
            "breakdown",
            None,
        ),
        (json!({ "breakdown": ["event"], "top": 101 }), "limit_exceeded", "top", None),
        (json!({ "measures": vec![measure("events"); 11] }), "limit_exceeded", "measures", None),
        (json!({ "filter": { "and": conditions } }), "limit_exceeded", "filter.and[99]", None),
        (
            json!({ "interval": "minute", "range": { "last": 9, "unit": "day" } }),
            "limit_exceeded",
            "interval",
            None,
        ),
    ];
    for (changes, code, path, suggestion) in wrong {
        let problem = app.try_ask(&rule(changes.clone())).await.problem(422, "rule_invalid");
        let error = &problem["errors"][0];
        let found = (error["code"].as_str().unwrap_or(""), error["path"].as_str().unwrap_or(""));
        assert_eq!(found, (code, path), "{changes}: {problem:#}");
        assert_eq!(error["suggestion"].as_str(), suggestion, "{changes}: {problem:#}");
    }
    // All mistakes at once, and JSON that is none.
    let many = json!({ "measures": [measure("peple")], "interval": "dya", "breakdown": ["platfrom"] });
    let problem = app.try_ask(&rule(many)).await.problem(422, "rule_invalid");
    assert!(problem["errors"].as_array().is_some_and(|errors| errors.len() >= 2), "{problem:#}");
    let text = calls
        .request(reqwest::Method::POST, &app.path("/ask"))
        .bearer_auth(&app.read_key)
        .body("{\n\"version\":");
    let problem = suanpan_journey::Reply::of(text).await.problem(422, "rule_invalid");
    assert_eq!(problem["errors"][0]["code"], "json_invalid");
    assert!(problem["errors"][0]["message"].as_str().is_some_and(|m| m.contains("line 2")), "{problem:#}");
}

/// Enough events that no answer is ready within a millisecond or a MiB.
async fn many_events(app: &App) {
    let note = "all work and no play makes jack a dull boy ".repeat(20);
    for part in 0..10 {
        let events: Vec<Value> = (0..1000)
            .map(|n| json!({ "event": "open", "user_id": format!("person number {part} {n}"), "properties": { "note": note, "n": n } }))
            .collect();
        // Bodies of a MiB hold fewer of them.
        for some in events.chunks(500) {
            app.accept(some).await;
        }
    }
}

/// Ten measures, each of which reads the notes of all events anew.
fn heavy_measures() -> Vec<Value> {
    let matches = |n: usize| json!({ "attribute": "note", "type": "string", "is": "regex", "value": format!("(w[a-z ]*){{{}}}.*[yz].*q", 1 + n % 9) });
    let none = |measure: usize| (0..4).map(|n| json!({ "not": matches(measure + n) })).collect::<Vec<_>>();
    (0..10)
        .map(|n| json!({ "name": format!("m{n}"), "measure": "people", "filter": { "and": none(n) } }))
        .collect()
}

async fn a_question_over_its_limits_is_refused_by_name() {
    let mut server = Server::start().await;
    let app = App::create(&server.calls()).await;
    many_events(&app).await;
    server.settle().await;
    let heavy = json!({ "measures": heavy_measures(), "breakdown": ["user_id"], "top": 100 });
    assert_eq!(app.ask(&rule(heavy.clone())).await["series"].as_array().map(Vec::len), Some(101));
    let limits = [
        ("answers.query_rows_max", "100"),
        ("answers.query_result_rows_max", "3"),
        ("answers.query_result_bytes_max", "1024"),
        ("answers.query_time_ms_max", "100"),
        ("answers.query_memory_bytes_max", "1048576"),
    ];
    for (limit, value) in limits {
        server.stop();
        server.start_again_with(&[&format!("{limit}={value}")]).await;
        // Rows and bytes of a result are one limit to the warehouse.
        let named = if limit.contains("result_bytes") { "answers.query_result_rows_max" } else { limit };
        app.try_ask(&rule(heavy.clone())).await.over_limit((422, "query_limit"), named);
        // The server goes on, and small questions are answered where the limit lets any pass.
        if limit.contains("result_rows") {
            assert_eq!(app.totals(&rule(json!({}))).await, json!([10_000]));
        }
    }
}

async fn too_many_questions_at_once_are_asked_to_come_again() {
    let server =
        Server::start_with(&["answers.queries_at_once_max=1", "answers.queries_waiting_max=1"]).await;
    let app = App::create(&server.calls()).await;
    app.accept(&[json!({ "event": "open", "user_id": "ann" })]).await;
    server.settle().await;
    let askers: Vec<_> = (1..=40)
        .map(|days| {
            let (app, question) = (app.clone(), rule(json!({ "range": { "last": days, "unit": "day" } })));
            tokio::spawn(async move { app.try_ask(&question).await })
        })
        .collect();
    let (mut answered, mut refused) = (0, 0);
    for asker in askers {
        let reply = asker.await.expect("an asker");
        if reply.status == 200 {
            assert_eq!(reply.expect(200)["series"][0]["total"], json!([1]));
            answered += 1;
        } else {
            reply.over_limit((503, "overloaded"), "queries_waiting_max");
            refused += 1;
        }
    }
    assert!(answered >= 1 && refused >= 1, "{answered} answered, {refused} refused");
    still_answers(&server.calls(), &app).await;
}

async fn still_answers(calls: &Calls, app: &App) {
    calls.admin(reqwest::Method::GET, "/api/apps", None).await.expect(200);
    assert_eq!(app.totals(&rule(json!({}))).await, json!([1]));
}
