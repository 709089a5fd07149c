//! What was refused, and what was learnt: looked at, tried again, taken into the plan.

use reqwest::Method;
use serde_json::{Value, json};
use suanpan_journey::{App, Calls, Reply, Server, eventually, measure, rule, run_with_input};

use crate::shared;

journeys! {
    a_refused_event_is_kept_with_its_reason_and_its_text,
    a_search_finds_what_fits,
    only_the_apps_own_keys_see_what_was_refused,
    a_mended_plan_lets_refused_events_in_once,
    a_replay_tries_only_what_is_meant,
    a_replay_that_was_killed_goes_on_without_doubling,
    a_replay_can_be_ended,
    what_lies_beyond_the_bound_is_counted,
    what_was_seen_is_learnt_and_adopted,
    ids_of_one_person_are_linked,
    the_command_line_looks_and_replays,
}

/// An app whose plan lets in `paid` with a numeric `amount`, and nothing else.
async fn strict_app(calls: &Calls) -> App {
    let app = App::create(calls).await;
    let plan = json!({
        "mode": "enforce",
        "events": [{"name": "paid", "attributes": [{"name": "amount", "required": true}]}],
        "attributes": [{"name": "amount", "type": "number", "max": 1000}],
    });
    calls.admin(Method::PUT, &app.path("/plan"), Some(&plan)).await.expect(200);
    app
}

async fn get(calls: &Calls, app: &App, rest: &str) -> Value {
    let request = calls.request(Method::GET, &app.path(rest)).bearer_auth(&app.read_key);
    Reply::of(request).await.expect(200)
}

async fn found(calls: &Calls, app: &App, query: &str) -> Vec<Value> {
    get(calls, app, &format!("/dead-letter?{query}")).await["events"].as_array().expect("a list").clone()
}

/// Starts a replay and waits for its end.
async fn replay(calls: &Calls, app: &App, choice: Value) -> Value {
    let started =
        calls.admin(Method::POST, &app.path("/dead-letter/replays"), Some(&choice)).await.expect(202);
    ended(calls, app, &started["id"]).await
}

async fn ended(calls: &Calls, app: &App, job: &Value) -> Value {
    let path = format!("/dead-letter/replays/{job}");
    eventually("the replay has ended", 60, async || {
        let job = get(calls, app, &path).await;
        (job["state"] != "running").then_some(job)
    })
    .await
}

fn counts(job: &Value) -> [u64; 5] {
    ["total", "accepted", "rejected", "unreadable", "duplicate"]
        .map(|name| job[name].as_u64().expect("a count"))
}

async fn define(calls: &Calls, app: &App, event: &str) {
    let body = json!({ "attributes": [] });
    calls.admin(Method::PUT, &app.path(&format!("/plan/events/{event}")), Some(&body)).await.expect(200);
}

async fn a_refused_event_is_kept_with_its_reason_and_its_text() {
    let calls = shared::server().await;
    let app = strict_app(&calls).await;
    let event = json!({ "event": "payed", "user_id": "ann", "device_id": "d7", "properties": {"name": "算盘 \" \\"} });
    let report =
        app.report(&json!([event, { "event": "paid", "user_id": "bob", "properties": {"amount": 5} }])).await;
    assert_eq!(report.expect(200)["rejected"], 1);
    shared::settle().await;

    let listed = found(&calls, &app, "").await;
    let [dead] = &listed[..] else { panic!("{listed:#?}") };
    assert_eq!((&dead["code"], &dead["event"]), (&json!("unplanned_event"), &json!("payed")));
    assert_eq!(
        (&dead["user_id"], &dead["device_id"], &dead["format"]),
        (&json!("ann"), &json!("d7"), &json!("native"))
    );
    let raw: Value =
        serde_json::from_str(dead["raw"].as_str().expect("a text")).expect("the event as it was sent");
    assert_eq!(raw, event);
    assert!(
        dead["hint"].as_str().is_some_and(|hint| !hint.is_empty()) && dead["is_replayable"] == true,
        "{dead:#}"
    );
    let id = dead["id"].as_str().expect("an id");
    assert_eq!(get(&calls, &app, &format!("/dead-letter/{id}")).await, *dead);
    for none in ["00000000-0000-0000-0000-000000000000", "nothing"] {
        let request =
            calls.request(Method::GET, &app.path(&format!("/dead-letter/{none}"))).bearer_auth(&app.read_key);
        Reply::of(request).await.problem(404, "not_found");
    }
    assert_eq!(app.outcomes().await, [("refused".to_owned(), 1), ("stored".to_owned(), 1)].into());
    let counted = get(&calls, &app, "/dead-letter/counts").await;
    let code = &counted["codes"][0];
    assert_eq!(
        (&code["code"], &code["refused"], &code["kept"]),
        (&json!("unplanned_event"), &json!(1), &json!(1))
    );
    assert_eq!(
        (&counted["events"][0]["event"], &counted["bounds"]["retention_days"]),
        (&json!("payed"), &json!(30))
    );
}

async fn a_search_finds_what_fits() {
    let calls = shared::server().await;
    let app = strict_app(&calls).await;
    let event = |n: usize| match n % 3 {
        0 => json!({ "event": "viewed", "user_id": format!("u{n}"), "properties": {"n": n} }),
        1 => json!({ "event": "paid", "user_id": "ann", "properties": {"amount": 5000 + n} }),
        _ => {
            json!({ "id": "order-1", "event": "paid", "device_id": "d1", "properties": {"note": "ÄHNLICH"} })
        }
    };
    let events: Vec<Value> = (0..30).map(event).collect();
    assert_eq!(app.report(&json!(events)).await.expect(200)["rejected"], 30);
    shared::settle().await;
    let check = async |query: &str, expected: usize| {
        assert_eq!(found(&calls, &app, query).await.len(), expected, "{query}");
    };
    // The same event sent again is one.
    check("limit=1000", 21).await;
    check("code=out_of_range", 10).await;
    check("event=viewed&limit=4", 4).await;
    check("user=u3", 1).await;
    check("device=d1&code=unplanned_attribute", 1).await;
    check("text=%C3%A4hnlich", 1).await;
    check("from=2020-01-01&to=2020-02-01", 0).await;
    check("from=2020-01-01T00:00:00%2B08:00&replayed=false", 21).await;
    check("replayed=true", 0).await;
    let (mut pages, mut before) = (0, String::new());
    loop {
        let page = get(&calls, &app, &format!("/dead-letter?limit=8{before}")).await;
        pages += page["events"].as_array().expect("a list").len();
        let Some(next) = page["next"].as_str() else { break };
        before = format!("&before={next}");
    }
    assert_eq!(pages, 21);
    for (query, status, code) in [
        ("from=yesterday", 422, "invalid"),
        ("before=x", 422, "invalid"),
        ("limit=0", 422, "invalid"),
        ("limit=1001", 422, "invalid"),
        ("colour=red", 400, "query_invalid"),
        ("replayed=maybe", 400, "query_invalid"),
    ] {
        let request = calls
            .request(Method::GET, &app.path(&format!("/dead-letter?{query}")))
            .bearer_auth(&app.read_key);
        Reply::of(request).await.problem(status, code);
    }
}

async fn only_the_apps_own_keys_see_what_was_refused() {
    let calls = shared::server().await;
    let (app, other) = (strict_app(&calls).await, strict_app(&calls).await);
    app.report(&json!({ "event": "x", "user_id": "u" })).await.expect(200);
    shared::settle().await;
    assert!(found(&calls, &other, "").await.is_empty());
    for path in ["/dead-letter", "/dead-letter/counts", "/dead-letter/replays", "/learnt", "/people/u/links"]
    {
        let with = |key: &str| calls.request(Method::GET, &app.path(path)).bearer_auth(key);
        Reply::of(with(&other.read_key)).await.problem(403, "key_other_app");
        Reply::of(with(&app.write_key)).await.problem(403, "key_cannot_read");
        Reply::of(with("nonsense")).await.problem(401, "key_unknown");
    }
    for path in ["/dead-letter/replays", "/dead-letter/replays/1/resume", "/learnt/adopt"] {
        let request = calls.request(Method::POST, &app.path(path)).bearer_auth(&app.read_key);
        Reply::of(request.json(&json!({ "all": true }))).await.problem(403, "admin_only");
    }
}

async fn a_mended_plan_lets_refused_events_in_once() {
    let calls = shared::server().await;
    let app = strict_app(&calls).await;
    let events: Vec<Value> =
        (0..40).map(|n| json!({ "event": "viewed", "user_id": format!("u{n}"), "properties": {} })).collect();
    assert_eq!(app.report(&json!(events)).await.expect(200)["rejected"], 40);
    shared::settle().await;
    let job = replay(&calls, &app, json!({ "all": true })).await;
    assert_eq!((&job["state"], counts(&job)), (&json!("finished"), [40, 0, 40, 0, 0]));

    define(&calls, &app, "viewed").await;
    let job = replay(&calls, &app, json!({ "code": "unplanned_event" })).await;
    assert_eq!((&job["state"], counts(&job)), (&json!("finished"), [40, 40, 0, 0, 0]));
    shared::settle().await;
    assert_eq!(
        app.totals(&rule(json!({ "measures": [measure("events"), measure("people")] }))).await,
        json!([40, 40])
    );
    let again = replay(&calls, &app, json!({ "code": "unplanned_event" })).await;
    assert_eq!(counts(&again), [0, 0, 0, 0, 40]);
    shared::settle().await;
    assert_eq!(app.outcomes().await, [("refused".to_owned(), 40), ("stored".to_owned(), 40)].into());
    let replayed = found(&calls, &app, "replayed=true&limit=1000").await;
    assert!(replayed.len() == 40 && replayed.iter().all(|dead| dead["replay"]["outcome"] == "accepted"));
    let listed = get(&calls, &app, "/dead-letter/replays").await;
    assert_eq!(listed.as_array().expect("a list").len(), 3);
}

async fn a_replay_tries_only_what_is_meant() {
    let calls = shared::server().await;
    let app = strict_app(&calls).await;
    let event = |name: &str, n: usize| json!({ "event": name, "user_id": format!("u{n}") });
    let events: Vec<Value> = (0..6).map(|n| event(["a", "b"][n % 2], n)).collect();
    app.report(&json!(events)).await.expect(200);
    app.report(&json!([42])).await.expect(200);
    shared::settle().await;
    define(&calls, &app, "a").await;
    define(&calls, &app, "b").await;
    let dead = found(&calls, &app, "event=a").await;
    let ids: Vec<&Value> = dead[..2].iter().map(|dead| &dead["id"]).collect();
    assert_eq!(counts(&replay(&calls, &app, json!({ "ids": ids })).await), [2, 2, 0, 0, 0]);
    assert_eq!(counts(&replay(&calls, &app, json!({ "event": "a" })).await), [1, 1, 0, 0, 2]);
    assert_eq!(counts(&replay(&calls, &app, json!({ "to": "2020-01-01" })).await), [0; 5]);
    assert_eq!(
        counts(&replay(&calls, &app, json!({ "user": "u1", "from": "2020-01-01" })).await),
        [1, 1, 0, 0, 0]
    );
    // What is no event can't be tried at all.
    assert_eq!(counts(&replay(&calls, &app, json!({ "all": true })).await), [2, 2, 0, 0, 4]);
    let path = app.path("/dead-letter/replays");
    calls.admin(Method::POST, &path, Some(&json!({}))).await.problem(422, "invalid");
    calls.admin(Method::POST, &path, Some(&json!({ "from": "never" }))).await.problem(422, "invalid");
    calls
        .admin(Method::POST, &path, Some(&json!({ "everything": true })))
        .await
        .problem(400, "malformed_json");
    for method in [Method::GET, Method::DELETE] {
        calls.admin(method, &format!("{path}/999999"), None).await.problem(404, "not_found");
    }
    calls.admin(Method::GET, &format!("{path}/x"), None).await.problem(404, "not_found");
}

/// Refuses many events, and lets them in.
async fn many_refused(server: &Server, count: usize) -> App {
    let calls = server.calls();
    let app = strict_app(&calls).await;
    for start in (0..count).step_by(1000) {
        let event = |n: usize| json!({ "event": "viewed", "user_id": format!("u{n}") });
        let events: Vec<Value> = (start..(start + 1000).min(count)).map(event).collect();
        app.report(&json!({ "events": events })).await.expect(200);
    }
    server.settle().await;
    define(&calls, &app, "viewed").await;
    app
}

async fn a_replay_that_was_killed_goes_on_without_doubling() {
    const EVENTS: usize = 20_000;
    let mut server = Server::start().await;
    let app = many_refused(&server, EVENTS).await;
    let calls = server.calls();
    let path = app.path("/dead-letter/replays");
    let job = calls.admin(Method::POST, &path, Some(&json!({ "all": true }))).await.expect(202);
    calls.admin(Method::POST, &path, Some(&json!({ "all": true }))).await.problem(409, "busy");
    let one = format!("{path}/{}", job["id"]);
    eventually("some are brought through", 60, async || {
        let job = calls.admin(Method::GET, &one, None).await.expect(200);
        (job["done"].as_u64() >= Some(500)).then_some(())
    })
    .await;
    server.kill_tree();
    server.start_again().await;

    let job = calls.admin(Method::GET, &one, None).await.expect(200);
    let done = job["done"].as_u64().expect("a count");
    assert!(job["state"] == "interrupted" && (500..EVENTS as u64).contains(&done), "{job:#}");
    calls.admin(Method::POST, &format!("{one}/resume"), None).await.expect(202);
    let job = ended(&calls, &app, &job["id"]).await;
    assert_eq!((&job["state"], counts(&job)), (&json!("finished"), [EVENTS as u64, EVENTS as u64, 0, 0, 0]));
    calls.admin(Method::POST, &format!("{one}/resume"), None).await.problem(422, "invalid");
    server.settle().await;
    let totals = app.totals(&rule(json!({ "measures": [measure("events"), measure("people")] }))).await;
    assert_eq!(totals, json!([EVENTS, EVENTS]));
    let outcomes = app.outcomes().await;
    assert_eq!((outcomes["stored"], outcomes["refused"]), (EVENTS as u64, EVENTS as u64));
}

async fn a_replay_can_be_ended() {
    let server = Server::start().await;
    let app = many_refused(&server, 20_000).await;
    let calls = server.calls();
    let path = app.path("/dead-letter/replays");
    let job = calls.admin(Method::POST, &path, Some(&json!({ "all": true }))).await.expect(202);
    calls.admin(Method::DELETE, &format!("{path}/{}", job["id"]), None).await.expect(202);
    let cancelled = ended(&calls, &app, &job["id"]).await;
    assert_eq!(cancelled["state"], "cancelled", "{cancelled:#}");
    calls.admin(Method::POST, &format!("{path}/{}/resume", job["id"]), None).await.expect(202);
    let job = ended(&calls, &app, &job["id"]).await;
    assert_eq!((&job["state"], &job["accepted"]), (&json!("finished"), &json!(20_000)));
}

async fn what_lies_beyond_the_bound_is_counted() {
    let server = Server::start_with(&["dead_letter.events_per_app_per_day_max=5"]).await;
    let calls = server.calls();
    let app = strict_app(&calls).await;
    let events: Vec<Value> = (0..12).map(|n| json!({ "event": "x", "user_id": format!("u{n}") })).collect();
    app.report(&json!(events)).await.expect(200);
    server.settle().await;
    let counted = get(&calls, &app, "/dead-letter/counts").await;
    let code = &counted["codes"][0];
    assert_eq!((&code["refused"], &code["kept"]), (&json!(12), &json!(5)));
    assert_eq!(counted["bounds"]["events_per_app_per_day_max"], 5);
    assert_eq!(app.outcomes().await["refused"], 12);
}

async fn what_was_seen_is_learnt_and_adopted() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    app.accept(&[
        json!({ "event": "order", "user_id": "u1", "properties": {"amount": 5, "when": "2024-03-01T00:00:00Z", "os": "x", "tags": ["a"]} }),
        json!({ "event": "order", "user_id": "u2", "properties": {"amount": 6.5, "vip": null, "more": {"a": 1}} }),
        json!({ "event": "open", "user_id": "u2", "properties": {"amount": "7", "vip": true} }),
        json!({ "event": "$pageview", "user_id": "u2", "properties": {"$url": "https://shop.example"} }),
    ])
    .await;
    shared::settle().await;
    let learnt = get(&calls, &app, "/learnt?unplanned=true").await;
    let events = learnt["events"].as_array().expect("a list");
    let names: Vec<&Value> = events.iter().map(|event| &event["event"]).collect();
    assert_eq!(names, ["open", "order"]);
    assert_eq!((&events[1]["events"], &learnt["names_max"]), (&json!(2), &json!(5000)));
    let attributes = events[1]["attributes"].as_array().expect("a list");
    let told = |a: &Value| json!([a["attribute"], a["types"], a["suggested_type"], a["samples"]]);
    let told: Vec<Value> = attributes.iter().map(told).collect();
    assert_eq!(
        json!(told),
        json!([
            ["amount", ["number"], "number", ["5", "6.5"]],
            ["more", ["object"], null, [r#"{"a":1}"#]],
            ["os", ["string"], null, ["x"]],
            ["tags", ["array"], "list", [r#"["a"]"#]],
            ["vip", ["null"], null, ["null"]],
            ["when", ["datetime"], "datetime", ["2024-03-01T00:00:00Z"]],
        ])
    );

    let adopt = async |body: Value| calls.admin(Method::POST, &app.path("/learnt/adopt"), Some(&body)).await;
    adopt(json!({})).await.problem(422, "invalid");
    let adopted = adopt(json!({ "events": ["order", "never seen"], "status": "draft" })).await.expect(200);
    let kinds: Vec<Value> = adopted["attributes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|a| json!([a["name"], a["type"]]))
        .collect();
    // Amounts came as text too, in another event.
    assert_eq!(
        json!(kinds),
        json!([["amount", "string"], ["tags", "list"], ["vip", "boolean"], ["when", "datetime"]])
    );
    assert_eq!(adopted["events"], json!(["order"]));
    let skipped: Vec<&Value> =
        adopted["skipped"].as_array().expect("a list").iter().map(|s| &s["name"]).collect();
    assert_eq!(skipped, ["never seen", "more", "os"]);
    let plan = get(&calls, &app, "/plan").await;
    assert_eq!(
        (&plan["events"][0]["name"], &plan["events"][0]["status"]),
        (&json!("order"), &json!("draft"))
    );
    adopt(json!({ "all": true })).await.expect(200);
    let left = get(&calls, &app, "/learnt?unplanned=true").await;
    let left: Vec<Value> = left["events"][0]["attributes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|a| a["attribute"].clone())
        .collect();
    assert_eq!(left, ["more", "os"]);
    assert_eq!(get(&calls, &app, "/learnt?event=open").await["events"][0]["is_planned"], true);
}

async fn ids_of_one_person_are_linked() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let alias =
        json!({ "type": "alias", "userId": "ann", "previousId": "anonymous-7", "writeKey": app.write_key });
    let request = calls.request(Method::POST, "/v1/alias").basic_auth(&app.write_key, Some("")).json(&alias);
    Reply::of(request).await.expect(200);
    shared::settle().await;
    for id in ["ann", "anonymous-7"] {
        let links = get(&calls, &app, &format!("/people/{id}/links")).await;
        let links = links.as_array().expect("a list");
        assert_eq!(links.len(), 1, "{id}");
        assert_eq!((&links[0]["from_id"], &links[0]["to_id"]), (&json!("anonymous-7"), &json!("ann")));
    }
    assert_eq!(get(&calls, &app, "/people/%E5%BC%A0%2F/links").await, json!([]));
}

async fn the_command_line_looks_and_replays() {
    let calls = shared::server().await;
    let app = strict_app(&calls).await;
    let (url, token) = (calls.url(), calls.admin_token());
    let of_app = async |arguments: &[&str]| {
        let server = ["--url", &url, "--token", &token, "--app", &app.id];
        run_with_input([arguments, &server[..]].concat(), "").await
    };
    assert_eq!(of_app(&["dead-letter", "list"]).await.succeeded(), "nothing was refused that fits\n");
    app.report(&json!([{ "event": "viewed", "user_id": "bob", "properties": {"n": 1} }])).await.expect(200);
    app.report(&json!([{ "event": "paid", "user_id": "ann", "properties": {"amount": 3, "gift": true} }]))
        .await
        .expect(200);
    app.report(&json!([{ "event": "paid", "user_id": "u\u{1b}[31m" }])).await.expect(200);
    shared::settle().await;
    let odd = of_app(&["dead-letter", "list", "--code", "invalid_name"]).await.succeeded();
    assert!(odd.contains("user_id") && !odd.contains('\u{1b}'), "{odd}");
    let listed = of_app(&["dead-letter", "list", "--code", "unplanned_event"]).await.succeeded();
    assert!(listed.contains("viewed") && listed.contains("bob"), "{listed}");
    let counted = of_app(&["dead-letter", "counts"]).await.succeeded();
    assert!(counted.contains("unplanned_event") && counted.contains("kept for 30 days"), "{counted}");
    let page = of_app(&["dead-letter", "list", "--json", "--limit", "1"]).await.succeeded();
    let page: Value = serde_json::from_str(&page).expect("JSON");
    let id = page["events"][0]["id"].as_str().expect("an id");
    assert!(of_app(&["dead-letter", "show", id]).await.succeeded().contains("\"raw\""));

    define(&calls, &app, "viewed").await;
    calls.admin(Method::PATCH, &app.path("/plan"), Some(&json!({ "mode": "observe" }))).await.expect(200);
    let replayed = of_app(&["dead-letter", "replay", "--all", "--follow"]).await.succeeded();
    assert!(replayed.contains("finished"), "{replayed}");
    assert!(of_app(&["dead-letter", "replays"]).await.succeeded().contains("finished"));
    let refused = of_app(&["dead-letter", "replay"]).await;
    assert!(refused.code == Some(1) && refused.err.contains("say what to replay"), "{}", refused.err);
    shared::settle().await;
    let learnt = of_app(&["learnt", "list", "--unplanned"]).await.succeeded();
    assert!(learnt.contains("gift") && learnt.contains("boolean"), "{learnt}");
    let adopted = of_app(&["learnt", "adopt", "--attribute", "gift"]).await.succeeded();
    assert!(
        adopted.contains("attribute gift is a boolean") && adopted.contains("event paid is planned"),
        "{adopted}"
    );
}
