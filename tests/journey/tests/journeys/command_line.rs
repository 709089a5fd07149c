use serde_json::{Value, json};
use suanpan_journey::{App, Finished, measure, rule, run, run_with_input};

use crate::shared;

journeys! {
    apps_keys_attributes_and_rules_are_managed,
    an_answer_is_a_table_json_or_csv,
    mistakes_end_with_a_sentence_and_an_exit_code,
    every_command_has_a_help_text_with_examples,
    references_are_printed,
}

/// Runs a command against the shared server with the admin token.
async fn suanpan(arguments: &[&str]) -> Finished {
    with_input(arguments, "").await
}

async fn with_input(arguments: &[&str], input: &str) -> Finished {
    let calls = shared::server().await;
    let (url, token) = (calls.url(), calls.admin_token());
    let mut all = arguments.to_vec();
    all.extend(["--url", &url, "--token", &token]);
    run_with_input(all, input).await
}

async fn apps_keys_attributes_and_rules_are_managed() {
    let created =
        suanpan(&["apps", "create", "bakery", "--title", "面包店", "--time-zone", "Asia/Shanghai"]).await;
    assert!(created.succeeded().contains("Asia/Shanghai"));
    assert!(suanpan(&["apps", "list"]).await.succeeded().contains("面包店"));
    suanpan(&["apps", "set", "bakery", "--title", "Bakery"]).await.succeeded();
    suanpan(&["apps", "delete", "bakery"]).await.succeeded();
    assert!(!suanpan(&["apps", "list"]).await.succeeded().contains("Bakery"));
    suanpan(&["apps", "restore", "bakery"]).await.succeeded();
    assert!(suanpan(&["apps", "list"]).await.succeeded().contains("Bakery"));

    let of_app = ["--app", "bakery"];
    let key =
        suanpan(&[&["keys", "create", "read", "--title", "dash"], &of_app[..]].concat()).await.succeeded();
    let key = key.trim();
    assert!(
        !key.is_empty() && !key.contains(char::is_whitespace),
        "the key alone on standard output: {key:?}"
    );
    let listed = suanpan(&[&["keys", "list"], &of_app[..]].concat()).await.succeeded();
    assert!(listed.contains("dash") && listed.contains("active") && !listed.contains(key), "{listed}");
    let words = listed.lines().find(|line| line.contains("dash")).into_iter().flat_map(str::split_whitespace);
    let id = words
        .map(|word| word.trim_matches('│'))
        .find(|word| word.parse::<u32>().is_ok())
        .expect("its number");

    suanpan(&[&["attributes", "define", "price", "number", "--title", "Price"], &of_app[..]].concat())
        .await
        .succeeded();
    let listed = suanpan(&[&["attributes", "list"], &of_app[..]].concat()).await.succeeded();
    assert!(
        listed.contains("Price") && listed.contains("event_time") && listed.contains("built in"),
        "{listed}"
    );

    let question = rule(json!({ "measures": [measure("people")] })).to_string();
    let saved =
        with_input(&[&["rules", "save", "buyers", "-"], &of_app[..]].concat(), &question).await.succeeded();
    assert!(saved.contains("version 1"), "{saved}");
    let calls = shared::server().await;
    let url = calls.url();
    let by_key = ["rules", "answer", "buyers", "--json", "--app", "bakery", "--url", &url, "--token", key];
    let answer: Value = serde_json::from_str(&run(by_key).await.succeeded()).expect("JSON");
    assert_eq!(answer["series"][0]["total"], json!([0]));
    assert!(suanpan(&[&["rules", "list"], &of_app[..]].concat()).await.succeeded().contains("buyers"));
    assert!(
        suanpan(&[&["rules", "show", "buyers"], &of_app[..]].concat())
            .await
            .succeeded()
            .contains("\"trend\"")
    );
    suanpan(&[&["rules", "delete", "buyers"], &of_app[..]].concat()).await.succeeded();
    suanpan(&[&["rules", "restore", "buyers"], &of_app[..]].concat()).await.succeeded();
    suanpan(&[&["rules", "versions", "buyers"], &of_app[..]].concat()).await.succeeded();
    suanpan(&[&["attributes", "remove", "price"], &of_app[..]].concat()).await.succeeded();
    suanpan(&[&["keys", "revoke", id], &of_app[..]].concat()).await.succeeded();
    assert!(run(by_key).await.failed().contains("key_unknown"));
}

async fn an_answer_is_a_table_json_or_csv() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let event =
        |person: &str, platform: &str| json!({ "event": "open", "user_id": person, "platform": platform });
    app.accept(&[event("ann", "微信"), event("ann", "微信"), event("bob", "ios, \"new\"")]).await;
    shared::settle().await;
    let question =
        rule(json!({ "measures": [measure("events"), measure("people")], "breakdown": ["platform"] }));
    let question = question.to_string();
    let ask = async |how: &str| {
        let arguments: Vec<&str> =
            ["ask", "-", "--app", &app.id, how].into_iter().filter(|a| !a.is_empty()).collect();
        with_input(&arguments, &question).await.succeeded()
    };
    let csv = ask("--csv").await;
    assert_eq!(csv, "platform,events,people\n微信,2,1\n\"ios, \"\"new\"\"\",1,1\n");
    let answer: Value = serde_json::from_str(&ask("--json").await).expect("JSON");
    assert_eq!(answer["series"][0]["total"], json!([2, 1]));
    let table = ask("").await;
    assert!(table.contains("微信") && table.contains("people") && table.contains(" ms, "), "{table}");
    assert!(table.contains("from the cache"), "{table}");

    let explained = with_input(&["explain", "-", "--app", &app.id], &question).await.succeeded();
    assert!(explained.contains("SELECT") && explained.contains("rows to read"), "{explained}");
    let explained = with_input(&["explain", "-", "--app", &app.id, "--json"], &question).await.succeeded();
    assert!(serde_json::from_str::<Value>(&explained).expect("JSON")["statements"][0]["sql"].is_string());
}

async fn mistakes_end_with_a_sentence_and_an_exit_code() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let wrong = rule(
        json!({ "measures": [{ "measure": "peple" }], "filter": { "attribute": "platfrom", "is": "=", "value": "ios" } }),
    );
    let refused = with_input(&["ask", "-", "--app", &app.id], &wrong.to_string()).await;
    let said = refused.failed();
    assert!(said.contains("measures[0].measure") && said.contains("did you mean \"people\""), "{said}");
    assert!(suanpan(&["apps", "create", &app.id]).await.failed().contains("exists"));
    assert!(suanpan(&["keys", "list", "--app", "nobody"]).await.failed().contains("nobody"));
    assert!(
        suanpan(&["ask", "/nowhere/rule.json", "--app", &app.id])
            .await
            .failed()
            .contains("/nowhere/rule.json")
    );
    let alone = run(["apps", "list", "--url", "http://127.0.0.1:9", "--token", "x"]).await.failed();
    assert!(alone.contains("no server answers at http://127.0.0.1:9"), "{alone}");
    let tokenless = run(["apps", "list", "--url", &calls.url(), "--data-dir", "/nowhere"]).await.failed();
    assert!(tokenless.contains("--token"), "{tokenless}");
    let misspelt = run(["ap"]).await;
    assert_eq!(misspelt.code, Some(2));
    assert!(misspelt.err.contains("apps"), "{}", misspelt.err);
}

async fn every_command_has_a_help_text_with_examples() {
    let all = run(["--help"]).await.succeeded();
    for name in ["serve", "engine", "demo", "apps", "keys", "attributes", "rules", "ask", "explain", "import"]
    {
        assert!(all.contains(&format!("\n  {name} ")), "{name} is listed:\n{all}");
        let help = run([name, "--help"]).await.succeeded();
        assert!(help.contains("Usage: suanpan"), "{help}");
        assert!(help.contains("Example"), "{name} has examples:\n{help}");
        assert!(help.contains(&format!("suanpan {name}")) || name == "demo", "{help}");
    }
    assert!(run(["--version"]).await.succeeded().starts_with("suanpan "));
    let nothing = run::<&str>([]).await;
    assert!(nothing.code == Some(2) && nothing.err.contains("Usage"), "{nothing:?}");
}

async fn references_are_printed() {
    let configuration = run(["config-reference"]).await.succeeded();
    assert!(
        configuration.contains("`gateway.body_bytes_max`") && configuration.contains("6291456"),
        "{configuration}"
    );
    let openapi: Value = serde_json::from_str(&run(["openapi"]).await.succeeded()).expect("JSON");
    assert!(openapi["paths"]["/v1/events"].is_object());
    let schema: Value = serde_json::from_str(&run(["rule-schema"]).await.succeeded()).expect("JSON");
    assert!(schema["properties"]["measures"].is_object());
    let metrics = run(["metrics-reference"]).await.succeeded();
    assert!(metrics.contains("suanpan_gateway_events_total"), "{metrics}");
}
