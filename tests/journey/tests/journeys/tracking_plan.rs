//! Tracking plans from their definition to what is stored, and the settings of an app.

use reqwest::Method;
use serde_json::{Value, json};
use suanpan_journey::{App, Calls, Finished, Reply, measure, rule, run_with_input};

use crate::shared;

journeys! {
    an_observed_event_is_taken_as_it_is,
    a_warned_event_is_converted_and_says_what_is_wrong,
    an_enforced_plan_refuses_what_does_not_fit,
    a_change_of_the_plan_leaves_what_was_accepted,
    personal_values_are_stored_nowhere,
    a_list_is_asked_for_its_elements,
    a_plan_goes_out_and_comes_back_the_same,
    an_import_is_tried_before_it_is_made,
    a_wrong_plan_is_refused_by_name_and_changes_nothing,
    definitions_change_one_by_one,
    an_event_is_tried_without_being_stored,
    settings_are_changed_one_by_one,
    a_path_that_can_not_be_read_is_a_problem,
    the_command_line_manages_plans_and_settings,
}

fn plan(mode: &str) -> Value {
    json!({
        "mode": mode,
        "events": [
            {"name": "order_faxed", "status": "retired", "attributes": []},
            {"name": "order_paid", "title": "Paid", "status": "live", "attributes": [
                {"name": "amount", "required": true},
                {"name": "channel", "required": false},
                {"name": "tags", "required": false},
                {"name": "phone", "required": false},
                {"name": "id_card", "required": false},
            ]},
        ],
        "attributes": [
            {"name": "amount", "type": "number", "title": "Amount", "status": "live", "personal": "keep", "min": 0, "max": 1000.5},
            {"name": "channel", "type": "string", "status": "live", "personal": "keep", "allowed": ["app", "web|shop"]},
            {"name": "id_card", "type": "string", "status": "live", "personal": "drop"},
            {"name": "phone", "type": "string", "status": "live", "personal": "mask", "pattern": "^1[0-9]{10}$"},
            {"name": "tags", "type": "list", "description": "说明,\n\"zitiert\"", "status": "draft", "personal": "keep", "common": true},
        ],
    })
}

async fn app_with(mode: &str) -> (Calls, App) {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    calls.admin(Method::PUT, &app.path("/plan"), Some(&plan(mode))).await.expect(200);
    (calls, app)
}

fn paid(person: &str, properties: Value) -> Value {
    json!({ "event": "order_paid", "user_id": person, "properties": properties })
}

/// The result of one event alone.
async fn result(app: &App, event: Value) -> Value {
    app.report(&event).await.expect(200)["results"][0].clone()
}

/// Code and field of each note.
fn notes(result: &Value) -> Vec<String> {
    let notes = result["notes"].as_array().map(Vec::as_slice).unwrap_or_default();
    notes
        .iter()
        .map(|n| format!("{} {}", n["code"].as_str().expect("a text"), n["field"].as_str().expect("a text")))
        .collect()
}

async fn an_observed_event_is_taken_as_it_is() {
    let (_, app) = app_with("observe").await;
    for event in
        [paid("ann", json!({ "amount": "many", "colour": 1 })), json!({ "event": "never", "user_id": "ann" })]
    {
        let result = result(&app, event).await;
        assert_eq!((&result["status"], notes(&result)), (&json!("ok"), vec![]), "{result:#}");
    }
    app.ask_until(&rule(json!({})), &json!([2])).await;
}

async fn a_warned_event_is_converted_and_says_what_is_wrong() {
    let (_, app) = app_with("warn").await;
    let fitting = result(&app, paid("ann", json!({ "amount": 10, "channel": "app", "$anything": 1 }))).await;
    assert_eq!(fitting["status"], "ok", "{fitting:#}");
    let converted =
        result(&app, paid("bob", json!({ "amount": "12.50", "channel": "fax", "colour": 1 }))).await;
    assert_eq!(converted["status"], "warning");
    assert_eq!(
        notes(&converted),
        [
            "type_converted properties.amount",
            "not_listed properties.channel",
            "unplanned_attribute properties.colour"
        ]
    );
    let listed = &converted["notes"][1];
    assert_eq!((&listed["expected"], &listed["got"]), (&json!("one of app, web|shop"), &json!("\"fax\"")));
    assert!(listed["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{listed:#}");
    let missing = result(&app, paid("cem", json!({ "amount": null }))).await;
    assert_eq!(notes(&missing), ["attribute_missing properties.amount"]);
    let unplanned = result(&app, json!({ "event": "order_payed", "user_id": "dan" })).await;
    assert_eq!(notes(&unplanned), ["unplanned_event event"]);
    assert_eq!(
        notes(&result(&app, json!({ "event": "$pageview", "user_id": "dan" })).await),
        Vec::<String>::new()
    );
    let sum = rule(json!({ "measures": [measure("events"), {"measure": "sum", "attribute": "amount"}] }));
    app.ask_until(&sum, &json!([5, 22.5])).await;
}

async fn an_enforced_plan_refuses_what_does_not_fit() {
    let (_, app) = app_with("enforce").await;
    let refused = async |event: Value| {
        let result = result(&app, event).await;
        assert_eq!(result["status"], "rejected", "{result:#}");
        format!("{} {}", result["code"].as_str().expect("a text"), result["field"].as_str().expect("a text"))
    };
    let event = |name: &str| json!({ "event": name, "user_id": "ann" });
    assert_eq!(refused(event("order_payed")).await, "unplanned_event event");
    assert_eq!(refused(event("order_faxed")).await, "retired event");
    assert_eq!(refused(event("order_paid")).await, "attribute_missing properties.amount");
    assert_eq!(refused(paid("ann", json!({ "amount": [] }))).await, "wrong_type properties.amount");
    assert_eq!(refused(paid("ann", json!({ "amount": 1001 }))).await, "out_of_range properties.amount");
    assert_eq!(
        refused(paid("ann", json!({ "amount": 1, "channel": "fax" }))).await,
        "not_listed properties.channel"
    );
    assert_eq!(
        refused(paid("ann", json!({ "amount": 1, "phone": "12" }))).await,
        "pattern_mismatch properties.phone"
    );
    assert_eq!(
        refused(paid("ann", json!({ "amount": 1, "x": 1 }))).await,
        "unplanned_attribute properties.x"
    );
    let converted = result(&app, paid("ann", json!({ "amount": "7", "tags": "new" }))).await;
    assert_eq!(converted["status"], "warning", "a conversion refuses nothing: {converted:#}");
    // A refused event does not refuse its neighbours.
    let both =
        app.report(&json!([event("order_payed"), paid("ann", json!({ "amount": 1 }))])).await.expect(200);
    assert_eq!((&both["accepted"], &both["rejected"]), (&json!(1), &json!(1)));
    app.ask_until(&rule(json!({})), &json!([2])).await;
}

async fn a_change_of_the_plan_leaves_what_was_accepted() {
    let (calls, app) = app_with("observe").await;
    let odd = json!({ "event": "odd", "user_id": "ann", "id": "odd-1", "time": suanpan_journey::now_ms() });
    app.accept(std::slice::from_ref(&odd)).await;
    calls.admin(Method::PATCH, &app.path("/plan"), Some(&json!({ "mode": "enforce" }))).await.expect(200);
    app.ask_until(&rule(json!({})), &json!([1])).await;
    assert_eq!(result(&app, odd).await["status"], "rejected", "from now on");
    shared::settle().await;
    assert_eq!(app.totals(&rule(json!({}))).await, json!([1]));
    let expected = [("refused".to_owned(), 1), ("stored".to_owned(), 1)];
    assert_eq!(app.outcomes().await, expected.into());
}

async fn personal_values_are_stored_nowhere() {
    let (calls, app) = app_with("observe").await;
    let observed = paid("ann", json!({ "amount": 1, "phone": "13800138000", "id_card": "11010119900307" }));
    assert_eq!(result(&app, observed).await["status"], "ok");
    calls.admin(Method::PATCH, &app.path("/plan"), Some(&json!({ "mode": "enforce" }))).await.expect(200);
    app.accept(&[
        paid("bob", json!({ "amount": 1, "phone": 13_800_138_000_u64 })),
        paid("cem", json!({ "amount": 1, "phone": "13900139000" })),
    ])
    .await;
    let distinct =
        rule(json!({ "measures": [measure("events"), {"measure": "distinct", "attribute": "phone"}] }));
    app.ask_until(&distinct, &json!([3, 2])).await;
    let answer = app.ask(&rule(json!({ "breakdown": "phone" }))).await;
    let series = answer["series"].as_array().expect("a list");
    assert!(
        series.iter().all(|s| s["group"][0].as_str().is_some_and(|p| p.starts_with("masked:"))),
        "{answer:#}"
    );
    let set = json!({"attribute": "id_card", "type": "string", "is": "is set"});
    assert_eq!(app.totals(&rule(json!({ "filter": set }))).await, json!([0]));
    let refused = result(&app, paid("dan", json!({ "amount": 1, "phone": "not a phone" }))).await;
    assert_eq!(refused["code"], "pattern_mismatch");
    assert!(!refused.to_string().contains("not a phone"), "{refused:#}");
}

async fn a_list_is_asked_for_its_elements() {
    let (_, app) = app_with("warn").await;
    app.accept(&[
        paid("ann", json!({ "amount": 1, "tags": ["new", "vip"] })),
        paid("bob", json!({ "amount": 1, "tags": ["vip", 7] })),
        paid("cem", json!({ "amount": 1, "tags": "new" })),
        paid("dan", json!({ "amount": 1, "tags": [] })),
    ])
    .await;
    app.ask_until(&rule(json!({})), &json!([4])).await;
    let count = async |filter: Value| app.totals(&rule(json!({ "filter": filter }))).await[0].clone();
    assert_eq!(count(json!({"attribute": "tags", "is": "contains", "value": "vip"})).await, 2);
    assert_eq!(count(json!({"attribute": "tags", "is": "contains", "value": "new"})).await, 2);
    assert_eq!(count(json!({"attribute": "tags", "is": "contains", "value": "7"})).await, 1);
    assert_eq!(count(json!({"attribute": "tags", "is": "is not set"})).await, 1);
    let refused = app.try_ask(&rule(json!({ "breakdown": "tags" }))).await.problem(422, "rule_invalid");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("\"tags\"")), "{refused:#}");
}

async fn a_plan_goes_out_and_comes_back_the_same() {
    let (calls, app) = app_with("warn").await;
    let get = async |app: &App, path: &str| {
        Reply::of(calls.request(Method::GET, &app.path(path)).bearer_auth(&app.read_key)).await.expect(200)
    };
    assert_eq!(get(&app, "/plan").await, plan("warn"));
    assert_eq!(get(&app, "/plan.json").await, plan("warn"));
    let csv = get(&app, "/plan.csv").await;
    let csv = csv.as_str().expect("a text").to_owned();
    let other = App::create(&calls).await;
    let import = calls.request(Method::POST, &other.path("/plan/import")).bearer_auth(calls.admin_token());
    let changes = Reply::of(import.header("content-type", "text/csv; charset=utf-8").body(csv.clone()))
        .await
        .expect(200);
    assert_eq!(changes["events"]["added"], json!(["order_faxed", "order_paid"]));
    assert_eq!(get(&other, "/plan").await, plan("warn"));
    assert_eq!(get(&other, "/plan.csv").await, csv);
}

async fn an_import_is_tried_before_it_is_made() {
    let (calls, app) = app_with("warn").await;
    let mut next = plan("enforce");
    next["events"].as_array_mut().expect("a list").remove(0);
    next["attributes"][0]["max"] = json!(5);
    next["attributes"].as_array_mut().expect("a list").push(json!({"name": "colour", "type": "string"}));
    let none = json!([]);
    let expected = |dry_run: bool| {
        json!({
            "dry_run": dry_run, "mode": "enforce",
            "events": {"added": none, "changed": none, "removed": ["order_faxed"]},
            "attributes": {"added": ["colour"], "changed": ["amount"], "removed": none},
        })
    };
    let import = |query: &str| app.path(&format!("/plan/import{query}"));
    let tried = calls.admin(Method::POST, &import("?dry_run=true"), Some(&next)).await.expect(200);
    assert_eq!(tried, expected(true));
    let present = calls.admin(Method::GET, &app.path("/plan"), None).await.expect(200);
    assert_eq!(present, plan("warn"));
    assert_eq!(calls.admin(Method::POST, &import(""), Some(&next)).await.expect(200), expected(false));
    let present = calls.admin(Method::GET, &app.path("/plan"), None).await.expect(200);
    assert_eq!((&present["mode"], &present["attributes"][0]["max"]), (&json!("enforce"), &json!(5)));
    calls.admin(Method::POST, &import("?dry_run=perhaps"), Some(&next)).await.problem(400, "query_invalid");
    let refused = calls.request(Method::POST, &import("")).bearer_auth(&app.read_key).json(&next);
    Reply::of(refused).await.problem(403, "admin_only");
}

async fn a_wrong_plan_is_refused_by_name_and_changes_nothing() {
    let (calls, app) = app_with("warn").await;
    let put = async |plan: Value| calls.admin(Method::PUT, &app.path("/plan"), Some(&plan)).await;
    let refused = async |attribute: Value, says: &str| {
        let problem = put(json!({ "events": [], "attributes": [attribute] })).await.problem(422, "invalid");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{problem:#}");
    };
    refused(json!({"name": "a", "type": "number", "pattern": "x"}), "attributes: \"a\": pattern: ").await;
    refused(json!({"name": "a", "type": "string", "pattern": "("}), "no regular expression").await;
    refused(json!({"name": "a", "type": "boolean", "personal": "mask"}), "dropped").await;
    refused(json!({"name": "platform", "type": "string"}), "built-in").await;
    put(json!({})).await.problem(400, "malformed_json");
    put(json!({ "events": [], "attributes": [], "modus": "warn" })).await.problem(400, "malformed_json");
    let many: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    put(json!({ "events": [], "attributes": [{"name": "a", "type": "string", "allowed": many}] }))
        .await
        .over_limit((422, "limit_reached"), "catalog.allowed_values_max");
    let import = async |kind: &str, body: String| {
        let request = calls.request(Method::POST, &app.path("/plan/import")).bearer_auth(calls.admin_token());
        Reply::of(request.header("content-type", kind).body(body)).await
    };
    let csv = import("text/csv", "record,attribute,type\nattribute,a,text\n".into())
        .await
        .problem(400, "malformed_csv");
    assert!(csv["detail"].as_str().is_some_and(|detail| detail.starts_with("line 2: type: ")), "{csv:#}");
    import("application/xml", "<plan/>".into()).await.problem(415, "content_type");
    import("application/json", " ".repeat(4 * 1024 * 1024 + 1))
        .await
        .over_limit((413, "body_too_large"), "plan_bytes_max");
    assert_eq!(calls.admin(Method::GET, &app.path("/plan"), None).await.expect(200), plan("warn"));
}

async fn definitions_change_one_by_one() {
    let (calls, app) = app_with("warn").await;
    let put = async |path: &str, body: Value| calls.admin(Method::PUT, &app.path(path), Some(&body)).await;
    // What is not said of an attribute stays.
    let phone = put("/attributes/phone", json!({ "type": "string", "title": "Phone" })).await.expect(200);
    assert_eq!((&phone["personal"], &phone["pattern"]), (&json!("mask"), &json!("^1[0-9]{10}$")));
    let phone = put("/attributes/phone", json!({ "type": "string", "pattern": null })).await.expect(200);
    assert_eq!((&phone["title"], &phone["pattern"]), (&json!("Phone"), &Value::Null));
    let amount = put("/attributes/amount", json!({ "type": "string" })).await.expect(200);
    assert_eq!((&amount["min"], &amount["title"]), (&Value::Null, &json!("Amount")), "limits are of a type");

    let event =
        json!({ "title": "Sent", "status": "draft", "attributes": [{"name": "phone", "required": true}] });
    let sent = put("/plan/events/order%20sent", event).await.expect(200);
    assert_eq!((&sent["name"], &sent["status"]), (&json!("order sent"), &json!("draft")));
    let unknown =
        put("/plan/events/x", json!({ "attributes": [{"name": "fone"}] })).await.problem(422, "invalid");
    assert!(
        unknown["detail"].as_str().is_some_and(|detail| detail.contains("did you mean \"phone\"")),
        "{unknown:#}"
    );
    calls.admin(Method::DELETE, &app.path("/plan/events/order_faxed"), None).await.expect(204);
    calls.admin(Method::DELETE, &app.path("/plan/events/order_faxed"), None).await.problem(404, "not_found");
    calls.admin(Method::DELETE, &app.path("/attributes/phone"), None).await.expect(204);
    let present = calls.admin(Method::GET, &app.path("/plan"), None).await.expect(200);
    let events: Vec<&Value> =
        present["events"].as_array().expect("a list").iter().map(|e| &e["name"]).collect();
    assert_eq!(events, ["order sent", "order_paid"]);
    assert_eq!(present["events"][0]["attributes"], json!([]), "an attribute goes from events, too");
}

async fn an_event_is_tried_without_being_stored() {
    let (calls, app) = app_with("enforce").await;
    let check = async |event: Value| {
        let request = calls.request(Method::POST, &app.path("/plan/check")).bearer_auth(&app.read_key);
        Reply::of(request.json(&event)).await
    };
    let properties = json!({ "amount": "12", "phone": "13800138000", "colour": 1 });
    let tried = check(json!({ "event": "order_paid", "properties": properties })).await.expect(200);
    assert_eq!((&tried["mode"], &tried["outcome"]), (&json!("enforce"), &json!("rejected")));
    let findings = tried["findings"].as_array().expect("a list");
    let found = |code: &str| findings.iter().find(|finding| finding["code"] == code);
    assert_eq!(findings.len(), 3, "{tried:#}");
    assert!(found("type_converted").is_some() && found("personal_data").is_some(), "{tried:#}");
    assert_eq!(Some(&tried["rejection"]), found("unplanned_attribute"), "{tried:#}");
    calls.admin(Method::PATCH, &app.path("/plan"), Some(&json!({ "mode": "warn" }))).await.expect(200);
    let tried = check(json!({ "event": "order_paid", "properties": properties })).await.expect(200);
    assert_eq!((&tried["outcome"], &tried["properties"]["amount"]), (&json!("warning"), &json!(12)));
    assert!(!tried.to_string().contains("13800138000"), "{tried:#}");
    let fitting =
        check(json!({ "event": "order_paid", "properties": {"amount": 1, "phone": "13800138000"} }))
            .await
            .expect(200);
    assert_eq!(fitting["outcome"], "ok");
    let no_object = check(json!({ "event": "order_paid", "properties": [] })).await.expect(200);
    assert_eq!(
        (&no_object["outcome"], &no_object["rejection"]["code"]),
        (&json!("rejected"), &json!("wrong_type"))
    );
    shared::settle().await;
    assert_eq!(app.totals(&rule(json!({}))).await, json!([0]));
}

async fn settings_are_changed_one_by_one() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let defaults = json!({ "ip": "truncate", "allowed_origins": ["*"], "events_per_second": null,
        "events_per_day": null, "events_per_month": null,
        "retention_days": null });
    let get = calls.request(Method::GET, &app.path("/settings")).bearer_auth(&app.read_key);
    assert_eq!(Reply::of(get).await.expect(200), defaults);
    let patch = async |change: Value| calls.admin(Method::PATCH, &app.path("/settings"), Some(&change)).await;
    patch(json!({ "ip": "drop", "events_per_day": 5000, "allowed_origins": ["https://Shop.example/"] }))
        .await
        .expect(200);
    let changed = patch(json!({ "events_per_day": null, "events_per_second": 100 })).await.expect(200);
    let expected = json!({ "ip": "drop", "allowed_origins": ["https://shop.example"], "events_per_second": 100,
        "events_per_day": null, "events_per_month": null,
        "retention_days": null });
    assert_eq!(changed, expected);
    let wrong = patch(json!({ "allowed_origins": ["shop.example"] })).await.problem(422, "invalid");
    assert!(
        wrong["detail"].as_str().is_some_and(|detail| detail.starts_with("allowed_origins: ")),
        "{wrong:#}"
    );
    patch(json!({ "events_per_second": 0 })).await.problem(422, "invalid");
    patch(json!({ "ip": "hash" })).await.problem(400, "malformed_json");
    let by_read_key = calls.request(Method::PATCH, &app.path("/settings")).bearer_auth(&app.read_key);
    Reply::of(by_read_key.json(&json!({}))).await.problem(403, "admin_only");
    let key = json!({ "kind": "write", "events_per_second": 5 });
    let made = calls.admin(Method::POST, &app.path("/keys"), Some(&key)).await.expect(201);
    assert_eq!(made["events_per_second"], 5);
}

async fn a_path_that_can_not_be_read_is_a_problem() {
    let calls = shared::server().await;
    for path in
        ["/api/apps/%FF", "/api/apps/%FF/plan", "/api/apps/shop/attributes/%C3", "/api/apps/a/keys/%FF"]
    {
        let method =
            if path.contains("attributes") || path.contains("keys") { Method::DELETE } else { Method::GET };
        let request = calls.request(method, path).bearer_auth(calls.admin_token());
        Reply::of(request).await.problem(400, "path_invalid");
    }
}

async fn the_command_line_manages_plans_and_settings() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let (url, token) = (calls.url(), calls.admin_token());
    let suanpan = async |arguments: &[&str], input: &str| -> Finished {
        let server = ["--url", &url, "--token", &token];
        run_with_input([arguments, &server[..]].concat(), input).await
    };
    let of_app = async |arguments: &[&str], input: &str| {
        suanpan(&[arguments, &["--app", &app.id][..]].concat(), input).await
    };
    of_app(&["attributes", "define", "amount", "number", "--min", "-5", "--title", "Amount"], "")
        .await
        .succeeded();
    of_app(&["attributes", "define", "channel", "string", "--allow", "app", "--allow", "web"], "")
        .await
        .succeeded();
    of_app(&["attributes", "define", "phone", "string", "--personal", "mask", "--common"], "")
        .await
        .succeeded();
    let defined = of_app(
        &["events", "define", "order_paid", "--required", "amount", "--optional", "channel,phone"],
        "",
    )
    .await;
    assert!(defined.succeeded().contains("3 attributes"));
    assert!(of_app(&["events", "list"], "").await.succeeded().contains("amount*, channel, phone"));
    of_app(&["plan", "mode", "enforce"], "").await.succeeded();
    let shown = of_app(&["plan", "show"], "").await.succeeded();
    for part in ["mode: enforce", "order_paid", "one of app, web", "from -5", "mask"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    let tried = of_app(&["plan", "check", "order_paid", r#"{"amount": "-6"}"#], "").await;
    assert!(tried.out.contains("rejected") && tried.out.contains("out_of_range"), "{}", tried.out);
    assert_eq!(tried.code, Some(1));
    let tried = of_app(&["plan", "check", "order_paid", "-"], r#"{"amount": "6"}"#).await.succeeded();
    assert!(tried.contains("type_converted") && tried.contains(r#"{"amount":6}"#), "{tried}");

    for form in ["json", "csv"] {
        let file = of_app(&["plan", "export", "--form", form], "").await.succeeded();
        let same = of_app(&["plan", "import", "-", "--form", form], &file).await.succeeded();
        assert_eq!(same, "nothing changes\n");
    }
    let fewer = "record,attribute,type\nattribute,amount,number\n";
    let dry = of_app(&["plan", "import", "-", "--form", "csv", "--dry-run"], fewer).await.succeeded();
    assert!(
        dry.contains("events removed: order_paid") && dry.contains("attributes removed: channel, phone"),
        "{dry}"
    );
    let held = of_app(&["plan", "import", "-", "--form", "csv"], fewer).await;
    assert!(held.err.contains("--yes") && held.code == Some(1), "{}", held.err);
    assert!(of_app(&["plan", "show"], "").await.succeeded().contains("order_paid"), "nothing was changed");
    of_app(&["plan", "import", "-", "--form", "csv", "--yes"], fewer).await.succeeded();
    assert!(!of_app(&["plan", "show"], "").await.succeeded().contains("order_paid"));

    let set = [
        "apps",
        "set",
        &app.id,
        "--ip",
        "store",
        "--allow-origin",
        "https://*.example",
        "--events-per-day",
        "10",
    ];
    let shown = suanpan(&set, "").await.succeeded();
    assert!(
        shown.contains("store") && shown.contains("https://*.example") && shown.contains("10"),
        "{shown}"
    );
    let shown = suanpan(&["apps", "set", &app.id, "--events-per-day", "none"], "").await.succeeded();
    assert!(shown.contains("events a day         none"), "{shown}");
    of_app(&["keys", "create", "write", "--events-per-second", "77"], "").await.succeeded();
    assert!(of_app(&["keys", "list"], "").await.succeeded().contains("77"));
}
