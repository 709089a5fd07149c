use serde_json::{Value, json};
use suanpan_journey::{App, DAY_MS, HOUR_MS, Server, ago, measure, rule};
use uuid::Uuid;

use crate::shared;

journeys! {
    an_id_that_comes_again_is_counted_once,
    an_id_is_one_event_whomever_its_repetition_names,
    a_record_without_an_id_is_known_by_its_text,
    duplicates_are_known_after_a_restart_and_months_later,
}

fn twice(stored: u64, duplicate: u64) -> std::collections::BTreeMap<String, u64> {
    [("stored".to_owned(), stored), ("duplicate".to_owned(), duplicate)].into()
}

async fn an_id_that_comes_again_is_counted_once() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let event = |id: &Value| json!({ "id": id, "event": "open", "user_id": "ann" });
    let (uuid, name) = (json!(Uuid::new_v4()), json!("order-17"));
    // Twice in one request: the second is told so, and counted as every other repetition.
    let report = app.report(&json!([event(&uuid), event(&name), event(&uuid)])).await.expect(200);
    assert_eq!((&report["accepted"], &report["duplicate"]), (&json!(2), &json!(1)), "{report:#}");
    assert_eq!(report["results"][2]["status"], "duplicate");
    assert_eq!(report["results"][2]["id"], uuid);
    shared::settle().await;
    assert_eq!(app.totals(&rule(json!({}))).await, json!([2]));
    // In another request: accepted, since only the pipeline knows.
    app.accept(&[event(&name), event(&uuid), event(&json!("order-18"))]).await;
    shared::settle().await;
    assert_eq!(app.totals(&rule(json!({}))).await, json!([3]));
    assert_eq!(app.outcomes().await, twice(3, 3));
}

async fn an_id_is_one_event_whomever_its_repetition_names() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    // Of many people some belong to another partition of the log than the one before.
    let ids: Vec<Uuid> = (0..20).map(|_| Uuid::new_v4()).collect();
    let event = |id: &Uuid, user: usize| json!({ "id": id, "event": "open", "user_id": format!("u{user}") });
    let twice_each: Vec<Value> =
        ids.iter().enumerate().flat_map(|(n, id)| [event(id, 2 * n), event(id, 2 * n + 1)]).collect();
    for _ in 0..2 {
        let report = app.report(&json!(twice_each)).await.expect(200);
        assert_eq!((&report["accepted"], &report["duplicate"]), (&json!(20), &json!(20)), "{report:#}");
    }
    shared::settle().await;
    assert_eq!(app.outcomes().await, twice(20, 60));
}

async fn a_record_without_an_id_is_known_by_its_text() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let timed = json!({ "event": "open", "user_id": "ann", "time": ago(HOUR_MS), "properties": { "n": 1 } });
    let untimed = json!({ "event": "open", "user_id": "ann" });
    for _ in 0..2 {
        app.accept(&[timed.clone(), untimed.clone()]).await;
    }
    shared::settle().await;
    // Two equal records without a time may well be two events.
    assert_eq!(app.outcomes().await, twice(3, 1));
    assert_eq!(app.totals(&rule(json!({}))).await, json!([3]));
}

async fn duplicates_are_known_after_a_restart_and_months_later() {
    // With room for few ids, most are older than the memory, and the store is asked.
    let mut server = Server::start_with(&["pipeline.dedupe_ids_max=1000"]).await;
    let app = App::create(&server.calls()).await;
    let importing = app.importing().await;
    let ages_ms = [0, HOUR_MS, 23 * HOUR_MS, 25 * HOUR_MS, 29 * DAY_MS, 100 * DAY_MS, 2000 * DAY_MS];
    let events: Vec<Value> = (0..2100_usize)
        .map(|n| {
            let mut event =
                json!({ "id": Uuid::new_v4(), "event": "open", "user_id": format!("u{}", n % 7) });
            if n % 8 != 0 {
                event["time"] = json!(ago(ages_ms[n % ages_ms.len()]));
            }
            event
        })
        .collect();
    importing.accept(&events).await;
    server.settle().await;
    let measures = json!([measure("events"), measure("people")]);
    let all = rule(json!({ "measures": measures, "range": { "last": 100, "unit": "month" } }));
    let by_month = rule(json!({ "interval": "month", "range": { "last": 100, "unit": "month" } }));
    let (totals, months) = (app.totals(&all).await, app.ask(&by_month).await["series"].clone());
    assert_eq!(totals, json!([2100, 7]));

    importing.accept(&events).await;
    server.settle().await;
    assert_eq!(app.outcomes().await, twice(2100, 2100));
    server.stop();
    server.start_again().await;
    importing.accept(&events).await;
    server.settle().await;
    assert_eq!(app.outcomes().await, twice(2100, 4200));
    server.kill_tree();
    server.start_again().await;
    importing.accept(&events).await;
    server.settle().await;
    assert_eq!(app.outcomes().await, twice(2100, 6300));
    assert_eq!(app.totals(&all).await, totals);
    assert_eq!(app.ask(&by_month).await["series"], months);
}
