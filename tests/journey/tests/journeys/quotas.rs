use reqwest::Method;
use serde_json::{Value, json};
use suanpan_journey::{App, Reply, Server, eventually};

use crate::shared::server;

journeys! {
    events_beyond_a_quota_are_refused_with_a_time,
    a_flood_of_one_app_does_not_touch_another,
    counts_survive_a_kill,
    requests_with_wrong_keys_are_counted_by_source,
}

async fn set(app: &App, change: Value) {
    let calls = server().await;
    calls.admin(Method::PATCH, &app.path("/settings"), Some(&change)).await.expect(200);
}

fn events(count: usize) -> Value {
    json!(vec![json!({ "event": "open", "user_id": "ann" }); count])
}

async fn events_beyond_a_quota_are_refused_with_a_time() {
    let calls = server().await;
    let app = App::create(&calls).await;
    let (_, slow) = app.key(json!({ "kind": "write", "events_per_second": 1 })).await;
    let slow = app.with_write_key(&slow);
    let check = |reply: Reply, code: &str, limit: &str| {
        assert!(reply.retry_after_s.is_some_and(|seconds| seconds > 0), "{reply:?}");
        assert_eq!(reply.problem(429, code)["limit"], limit);
    };
    // A whole burst, and more than one.
    slow.report(&events(10)).await.expect(200);
    check(slow.report(&events(10)).await, "rate_limited", "key.events_per_second");
    app.report(&events(10)).await.expect(200);

    set(&app, json!({ "events_per_day": 25 })).await;
    check(app.report(&events(6)).await, "quota_exceeded", "app.events_per_day");
    app.report(&events(5)).await.expect(200);
    set(&app, json!({ "events_per_day": null, "events_per_month": 25 })).await;
    check(app.report(&events(1)).await, "quota_exceeded", "app.events_per_month");
    set(&app, json!({ "events_per_month": null, "events_per_second": 2 })).await;
    app.report(&events(100)).await.expect(200);
    check(app.report(&events(1)).await, "rate_limited", "app.events_per_second");

    let usage = eventually("what was taken is counted", 10, async || {
        let request = calls.request(Method::GET, &app.path("/usage")).bearer_auth(&app.read_key);
        let usage = Reply::of(request).await.expect(200);
        (usage["events_today"] == 125).then_some(usage)
    })
    .await;
    assert_eq!((&usage["events_this_month"], &usage["events_per_second"]), (&json!(125), &json!(2)));
    assert_eq!(usage["days"], json!([{ "day": usage["today"], "events": 125 }]));
}

async fn a_flood_of_one_app_does_not_touch_another() {
    let calls = server().await;
    let (loud, quiet) = (App::create(&calls).await, App::create(&calls).await);
    set(&loud, json!({ "events_per_second": 10 })).await;
    let flood: Vec<_> = (0..8)
        .map(|_| {
            let loud = loud.clone();
            tokio::spawn(async move {
                let mut refused = 0;
                for _ in 0..25 {
                    refused += u32::from(loud.report(&events(100)).await.status == 429);
                }
                refused
            })
        })
        .collect();
    for _ in 0..25 {
        quiet.report(&events(100)).await.expect(200);
    }
    let mut refused = 0;
    for reporter in flood {
        refused += reporter.await.expect("a reporter");
    }
    assert!(refused > 0, "20,000 events at 10 a second all went through");
}

async fn counts_survive_a_kill() {
    let mut server = Server::start().await;
    let app = App::create(&server.calls()).await;
    let change = json!({ "events_per_day": 100 });
    server.calls().admin(Method::PATCH, &app.path("/settings"), Some(&change)).await.expect(200);
    app.report(&events(90)).await.expect(200);
    let path = app.path("/usage");
    eventually("the count is written down", 10, async || {
        let usage = server.calls().admin(Method::GET, &path, None).await.expect(200);
        (usage["events_today"] == 90).then_some(())
    })
    .await;
    server.kill_tree();
    server.start_again().await;
    let over = app.report(&events(11)).await.problem(429, "quota_exceeded");
    assert_eq!(over["limit"], "app.events_per_day");
    app.report(&events(10)).await.expect(200);
}

async fn requests_with_wrong_keys_are_counted_by_source() {
    let server = Server::start().await;
    let (calls, app) = (server.calls(), App::create(&server.calls()).await);
    for _ in 0..3 {
        let wrong = app.with_write_key("spw_0123456789abcdefghijklmnopqrstuvwxyzABCD");
        wrong.report(&events(1)).await.problem(401, "key_unknown");
    }
    let request = calls.request(Method::POST, "/v1/events").bearer_auth(&app.write_key).body("{\"event\"");
    Reply::of(request.header("content-type", "application/json")).await.expect(400);

    let all = calls.admin(Method::GET, "/api/refused-requests", None).await.expect(200);
    let about = |names: [&str; 4], source: &Value| names.map(|name| source[name].clone());
    let names = ["source", "format", "code", "requests"];
    let found: Vec<_> =
        all["sources"].as_array().expect("a list").iter().map(|source| about(names, source)).collect();
    let expected =
        |code: &str, requests: u32| [json!("127.0.0.0"), json!("native"), json!(code), json!(requests)];
    assert_eq!(found, [expected("malformed_json", 1), expected("key_unknown", 3)]);
    assert!(!all.to_string().contains("0123456789abcdef"), "a key is shown: {all:#}");
}
