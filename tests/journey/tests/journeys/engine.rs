use serde_json::json;
use suanpan_journey::{App, Server, eventually, rule};

journeys! {
    data_survive_kill_9_and_open_to_their_owner_alone,
    an_engine_ends_with_its_server,
    an_engine_that_dies_is_started_again,
}

async fn data_survive_kill_9_and_open_to_their_owner_alone() {
    let mut server = Server::start().await;
    let app = App::create(&server.calls()).await;
    let events: Vec<_> = (0..500).map(|n| json!({ "event": "open", "user_id": format!("u{n}") })).collect();
    app.accept(&events).await;
    server.settle().await;
    server.kill_tree();

    let store = server.store().await;
    let count = "SELECT count(), uniqExact(event_id) FROM events_local";
    assert_eq!(store.query(count).await, "500\t500");
    assert_eq!(store.query("SELECT sum(events) FROM ledger_local WHERE outcome = 'stored'").await, "500");
    let wrong = [("suanpan", "wrong"), ("suanpan_write", ""), ("nobody", "")];
    for who in wrong {
        let refused = store.try_query_as(Some(who), count).await;
        assert!(refused.is_err(), "{who:?} reads {refused:?}");
    }
    // Whoever installs a ClickHouse decides about its user `default`; our own engine's has no rights.
    if server.has_own_engine() {
        let queries = [
            count,
            "SELECT * FROM events",
            "DROP TABLE events_local",
            "INSERT INTO events_local (app_id) VALUES ('x')",
            "CREATE TABLE t (x UInt8) ENGINE = Memory",
            "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        ];
        for query in queries {
            for who in [None, Some(("default", ""))] {
                let refused = store.try_query_as(who, query).await;
                assert!(refused.is_err(), "{who:?} {query}: {refused:?}");
            }
        }
    }
    drop(store);
    server.start_again().await;
    app.ask_until(&rule(json!({})), &json!([500])).await;
}

async fn an_engine_ends_with_its_server() {
    let mut server = Server::start().await;
    let engine = server.kill_server_alone();
    assert_eq!(engine.is_empty(), !server.has_own_engine());
    eventually("the engine ends by itself", 20, async || {
        (!engine.iter().any(suanpan_journey::Process::runs)).then_some(())
    })
    .await;
    // At once again, before the one before may have let go of everything.
    server.start_again().await;
    server.kill_server_alone();
    server.start_again().await;
    let (status, said) = server.stop();
    assert_eq!(status.code(), Some(0), "{said}");
}

async fn an_engine_that_dies_is_started_again() {
    let server = Server::start().await;
    let app = App::create(&server.calls()).await;
    for n in 1..=2 {
        app.accept(&[json!({ "event": "open", "user_id": "ann" })]).await;
        server.break_off_warehouse();
        // Accepted while the engine is away, stored when it is back.
        app.accept(&[json!({ "event": "open", "user_id": "ann" })]).await;
        server.set_warehouse_away(false);
        server.settle().await;
        app.ask_until(&rule(json!({})), &json!([2 * n])).await;
    }
}
