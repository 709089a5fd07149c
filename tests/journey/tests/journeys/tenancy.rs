use reqwest::Method;
use serde_json::json;
use suanpan_journey::{App, Reply, measure, rule};

use crate::shared;

journeys! {
    an_app_never_sees_anothers_events,
    a_key_opens_its_own_app_for_its_own_use_only,
    a_revoked_key_stops_at_once,
    changing_anything_takes_the_admin_token,
    a_deleted_apps_keys_stop_and_work_again_when_it_is_restored,
}

async fn an_app_never_sees_anothers_events() {
    let calls = shared::server().await;
    let (ours, theirs) = (App::create(&calls).await, App::create(&calls).await);
    // The same names, the same people, and even the same ids.
    let event = |n: u32, channel: &str| {
        json!({ "event": "order", "user_id": "ann", "id": format!("00000000-0000-4000-8000-00000000000{n}"),
            "properties": { "channel": channel } })
    };
    ours.accept(&[event(1, "search")]).await;
    theirs.accept(&[event(1, "mail"), event(2, "mail"), event(3, "mail")]).await;
    shared::settle().await;
    for (app, count, channel) in [(&ours, 1, "search"), (&theirs, 3, "mail")] {
        assert_eq!(app.outcomes().await, [("stored".to_owned(), count)].into());
        let question = rule(json!({ "breakdown": { "attribute": "channel", "type": "string" },
            "measures": [measure("events"), measure("people")] }));
        let answer = app.ask(&question).await;
        assert_eq!(answer["series"].as_array().map(Vec::len), Some(1), "{answer:#}");
        assert_eq!(answer["series"][0]["group"], json!([channel]));
        assert_eq!(answer["series"][0]["total"], json!([count, 1]));
    }
    // A text that would be SQL elsewhere is only a text here.
    let sly = rule(json!({ "filter": { "attribute": "channel", "type": "string", "is": "=",
        "value": "x' OR app_id != '' OR '1'='1" } }));
    assert_eq!(ours.totals(&sly).await, json!([0]));
    let sly = rule(
        json!({ "filter": { "attribute": "x') OR (app_id != ''", "type": "string", "is": "is not set" } }),
    );
    assert_eq!(ours.totals(&sly).await, json!([1]));
}

async fn a_key_opens_its_own_app_for_its_own_use_only() {
    let calls = shared::server().await;
    let (ours, theirs) = (App::create(&calls).await, App::create(&calls).await);
    let question = rule(json!({}));
    for path in ["/ask", "/explain"] {
        let ask = async |key: &str| {
            Reply::of(calls.request(Method::POST, &ours.path(path)).bearer_auth(key).json(&question)).await
        };
        ask(&theirs.read_key).await.problem(403, "key_other_app");
        ask(&ours.write_key).await.problem(403, "key_cannot_read");
        ask("spr_unknown").await.problem(401, "key_unknown");
        ask(&ours.read_key).await.expect(200);
        ask(&calls.admin_token()).await.expect(200);
        Reply::of(calls.request(Method::POST, &ours.path(path)).json(&question))
            .await
            .problem(401, "key_missing");
    }
    for path in ["", "/attributes", "/rules", "/rules/x", "/rules/x/answer", "/rules/x/versions", "/outcomes"]
    {
        let request = |key: &str| calls.request(Method::GET, &ours.path(path)).bearer_auth(key);
        Reply::of(request(&theirs.read_key)).await.problem(403, "key_other_app");
        Reply::of(request(&ours.write_key)).await.problem(403, "key_cannot_read");
        Reply::of(request("spr_unknown")).await.problem(401, "key_unknown");
    }
    let report = async |key: &str| {
        let event = json!({ "event": "open", "user_id": "ann" });
        Reply::of(calls.request(Method::POST, "/v1/events").bearer_auth(key).json(&event)).await
    };
    report(&ours.read_key).await.problem(403, "key_cannot_write");
    report("spw_unknown").await.problem(401, "key_unknown");
    report(&calls.admin_token()).await.problem(401, "key_unknown");
    let without = calls.request(Method::POST, "/v1/events").json(&json!([]));
    Reply::of(without).await.problem(401, "key_missing");
    shared::settle().await;
    assert!(ours.outcomes().await.is_empty(), "nothing refused was kept");
}

async fn a_revoked_key_stops_at_once() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let (write_id, write_key) = app.key(json!({ "kind": "write" })).await;
    let (read_id, read_key) = app.key(json!({ "kind": "read" })).await;
    let app = app.with_write_key(&write_key).with_read_key(&read_key);
    let event = json!({ "event": "open", "user_id": "ann" });
    app.report(&event).await.expect(200);
    app.try_ask(&rule(json!({}))).await.expect(200);
    for id in [write_id, read_id] {
        let revoked = calls.admin(Method::DELETE, &app.path(&format!("/keys/{id}")), None).await.expect(200);
        assert!(revoked["revoked_ms"].is_number(), "{revoked:#}");
    }
    app.report(&event).await.problem(401, "key_unknown");
    app.try_ask(&rule(json!({}))).await.problem(401, "key_unknown");
    let listed = calls.admin(Method::GET, &app.path("/keys"), None).await.expect(200);
    let text = listed.to_string();
    assert!(
        !text.contains(&app.write_key) && !text.contains(&app.read_key),
        "a list never shows a key's text"
    );
}

async fn changing_anything_takes_the_admin_token() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let rule = json!({ "rule": rule(json!({})) });
    let changes = [
        (Method::GET, "/api/apps".to_owned(), json!(null)),
        (Method::POST, "/api/apps".to_owned(), json!({ "id": "new" })),
        (Method::PATCH, app.path(""), json!({ "title": "new" })),
        (Method::DELETE, app.path(""), json!(null)),
        (Method::POST, app.path("/restore"), json!(null)),
        (Method::GET, app.path("/keys"), json!(null)),
        (Method::POST, app.path("/keys"), json!({ "kind": "read" })),
        (Method::DELETE, app.path("/keys/1"), json!(null)),
        (Method::PUT, app.path("/attributes/x"), json!({ "type": "string" })),
        (Method::DELETE, app.path("/attributes/x"), json!(null)),
        (Method::PUT, app.path("/rules/x"), rule),
        (Method::DELETE, app.path("/rules/x"), json!(null)),
        (Method::POST, app.path("/rules/x/restore"), json!(null)),
        (Method::GET, "/api/status".to_owned(), json!(null)),
    ];
    for (method, path, body) in changes {
        for key in [&app.read_key, &app.write_key] {
            let request = calls.request(method.clone(), &path).bearer_auth(key).json(&body);
            let reply = Reply::of(request).await;
            assert_eq!((reply.status, &reply.body["code"]), (403, &json!("admin_only")), "{method} {path}");
        }
        let reply = Reply::of(calls.request(method.clone(), &path).json(&body)).await;
        assert_eq!((reply.status, &reply.body["code"]), (401, &json!("key_missing")), "{method} {path}");
    }
}

async fn a_deleted_apps_keys_stop_and_work_again_when_it_is_restored() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let event = json!({ "event": "open", "user_id": "ann" });
    app.report(&event).await.expect(200);
    calls.admin(Method::DELETE, &app.path(""), None).await.expect(204);
    app.report(&event).await.problem(401, "key_unknown");
    app.try_ask(&rule(json!({}))).await.problem(401, "key_unknown");
    calls.admin(Method::POST, &app.path("/restore"), None).await.expect(200);
    app.report(&event).await.expect(200);
    app.ask_until(&rule(json!({})), &json!([2])).await;
}
