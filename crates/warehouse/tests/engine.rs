//! The engine starts, ends with its parent, comes back, and keeps its data.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::path::Path;
use std::time::{Duration, Instant};

use fixture::{app, batch, question, row};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use suanpan_warehouse::testing::TestEngine;
use suanpan_warehouse::{Claim, Engine, EngineConfig, Secret, Warehouse, WarehouseError, testing};

fn config(folder: &Path) -> EngineConfig {
    EngineConfig {
        data_dir: folder.join("engine"),
        child_command: Some(testing::child_command()),
        use_path_binary: false,
        ..EngineConfig::default()
    }
}

async fn store(warehouse: &Warehouse, epoch: u64, events: u64) {
    let rows: Vec<_> = (0..events).map(|n| row(&app("kept"), n)).collect();
    warehouse.insert_events(batch(epoch, &rows), &rows).await.unwrap();
}

async fn count(warehouse: &Warehouse) -> serde_json::Value {
    let table = warehouse.ask(&question(&app("kept"), "SELECT count() FROM events")).await.unwrap();
    table.rows[0][0].clone()
}

/// Waits until a condition holds; far longer than it can take.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: not within 60 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn is_alive(process_id: u32) -> bool {
    kill(Pid::from_raw(process_id as i32), None).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn data_survive_an_orderly_stop_and_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(config(folder.path())).await.unwrap();
    let warehouse = engine.warehouse();
    warehouse.migrate().await.unwrap();
    store(&warehouse, 1, 10).await;
    engine.stop().await;
    let away = warehouse.ping().await.unwrap_err();
    assert!(away.is_retryable(), "{away}");

    let engine = Engine::start(config(folder.path())).await.unwrap();
    let warehouse = engine.warehouse();
    warehouse.migrate().await.unwrap();
    assert_eq!(count(&warehouse).await, json!(10));

    // A crash: what was acknowledged is there when the engine has come back by itself.
    store(&warehouse, 2, 20).await;
    let crashed = engine.process_id().unwrap();
    kill(Pid::from_raw(crashed as i32), Signal::SIGKILL).unwrap();
    until("the engine is gone", async || !is_alive(crashed)).await;
    until("the engine is back", async || warehouse.ping().await.is_ok()).await;
    assert_eq!(count(&warehouse).await, json!(30));
    // The tokens survive as well: the batch is still known.
    store(&warehouse, 2, 20).await;
    assert_eq!(count(&warehouse).await, json!(30));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_one_engine() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(config(folder.path())).await.unwrap();
    let refused = Engine::start(config(folder.path())).await.unwrap_err();
    assert!(matches!(refused, WarehouseError::FolderLocked { .. }), "{refused}");
    engine.warehouse().ping().await.unwrap();
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_whose_port_was_taken_comes_back_at_another() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(config(folder.path())).await.unwrap();
    let port = |engine: &Engine| -> u16 { reqwest::Url::parse(&engine.http_url()).unwrap().port().unwrap() };
    let before = port(&engine);
    kill(Pid::from_raw(engine.process_id().unwrap() as i32), Signal::SIGKILL).unwrap();
    let mut thief = None;
    until("the port is free", async || {
        thief = std::net::TcpListener::bind(("127.0.0.1", before)).ok();
        thief.is_some()
    })
    .await;
    until("the engine is back", async || engine.warehouse().ping().await.is_ok()).await;
    assert_ne!(port(&engine), before);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_engine_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let none = EngineConfig { library: Some(folder.path().join("libchdb.so")), ..config(folder.path()) };
    let refused = Engine::start(none).await.unwrap_err();
    assert!(refused.to_string().contains("make engine"), "{refused}");
    std::fs::write(folder.path().join("libchdb.so"), "no library").unwrap();
    let broken = EngineConfig { library: Some(folder.path().join("libchdb.so")), ..config(folder.path()) };
    let refused = Engine::start(broken).await.unwrap_err();
    assert!(refused.to_string().contains("cannot be loaded"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_ends_when_its_handle_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(config(folder.path())).await.unwrap();
    let process_id = engine.process_id().unwrap();
    assert!(is_alive(process_id));
    drop(engine);
    // The child is reaped by the runtime some time after it has ended.
    until("the engine ends", async || !is_alive(process_id)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_ends_with_a_parent_that_is_killed() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let folder = tempfile::tempdir().unwrap();
    // The example starts an engine as `suanpan engine` does, and says where.
    let mut parent = tokio::process::Command::new(testing::child_command().program)
        .arg("serve")
        .arg(folder.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let url = lines.next_line().await.unwrap().unwrap();
    let given = EngineConfig { clickhouse_url: Some(url), ..EngineConfig::default() };
    let warehouse = Engine::start(given).await.unwrap().warehouse();
    warehouse.ping().await.unwrap();
    parent.kill().await.unwrap();
    until("the engine ends", async || warehouse.ping().await.is_err()).await;
    // The folder is free again: another engine can have it.
    let again = EngineConfig { data_dir: folder.path().to_owned(), ..config(folder.path()) };
    Engine::start(again).await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_use_the_session_without_password() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(config(folder.path())).await.unwrap();
    engine.warehouse().migrate().await.unwrap();
    let http = reqwest::Client::new();
    for sql in [
        "SELECT number FROM numbers(3)",
        "SYSTEM STOP LISTEN HTTP",
        "CREATE TEMPORARY TABLE t (x String)",
        "SELECT * FROM suanpan.events_local",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    ] {
        let response = http.post(engine.http_url()).body(sql).send().await.unwrap();
        assert_ne!(response.status(), 200, "{sql}");
    }
    engine.warehouse().ping().await.unwrap();
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_server_must_let_us_in_and_wall_in_the_asker() {
    let folder = tempfile::tempdir().unwrap();
    let own = Engine::start(config(folder.path())).await.unwrap();
    own.warehouse().migrate().await.unwrap();
    let text = std::fs::read_to_string(own.password_file().unwrap()).unwrap();
    let passwords: serde_json::Value = serde_json::from_str(&text).unwrap();
    let secret = |name: &str| Some(Secret::new(passwords[name].as_str().unwrap()));
    let given = EngineConfig {
        clickhouse_url: Some(own.http_url()),
        user: Some(own.user().to_owned()),
        password: secret("write"),
        ask_user: Some("suanpan_ask".into()),
        ask_password: secret("ask"),
        ..EngineConfig::default()
    };
    Engine::start(given.clone()).await.unwrap().warehouse().migrate().await.unwrap();

    let check = async |config: EngineConfig, sentence: &str| {
        let refused = match Engine::start(config).await {
            Ok(engine) => engine.warehouse().migrate().await.unwrap_err(),
            Err(refused) => refused,
        };
        assert!(matches!(refused, WarehouseError::AccessRefused { .. }), "{refused}");
        assert!(refused.to_string().contains(sentence), "{refused}");
    };
    check(EngineConfig { password: None, ..given.clone() }, "or its password").await;
    check(EngineConfig { database: "other".into(), ..given.clone() }, "may not create the database").await;
    let owner_asks =
        EngineConfig { ask_user: given.user.clone(), ask_password: secret("write"), ..given.clone() };
    check(owner_asks, "is not readonly=1").await;
    check(EngineConfig { ask_user: None, ..given.clone() }, "ACCESS MANAGEMENT").await;
    own.stop().await;
    let gone = Engine::start(given).await.unwrap().warehouse().migrate().await.unwrap_err();
    assert!(gone.is_retryable(), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_later_version_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(config(folder.path())).await.unwrap();
    let warehouse = engine.warehouse();
    warehouse.migrate().await.unwrap();
    let password = std::fs::read_to_string(engine.password_file().unwrap()).unwrap();
    let password: serde_json::Value = serde_json::from_str(&password).unwrap();
    let response = reqwest::Client::new()
        .post(engine.http_url())
        .header("X-ClickHouse-User", engine.user())
        .header("X-ClickHouse-Key", password["write"].as_str().unwrap())
        .body("INSERT INTO suanpan.schema_versions (version, name) VALUES (999, 'later')")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let refused = warehouse.migrate().await.unwrap_err();
    assert!(matches!(refused, WarehouseError::SchemaTooNew { found: 999, .. }), "{refused}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_table_of_claims_is_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(config(folder.path())).await.unwrap();
    let warehouse = engine.warehouse();
    warehouse.migrate().await.unwrap();
    warehouse.claim(5, 0).await.unwrap();
    let before = warehouse.claim(5, 0).await.unwrap();
    let sql = "SELECT data_paths[1] FROM system.tables WHERE database = 'suanpan' AND name = 'owners'";
    let rows = folder.path().join("engine/data").join(testing::run_sql(&warehouse, sql).await.trim());
    engine.stop().await;

    // As after a power failure: the newest file is there, and half of its bytes.
    let newest = rows.join("2.bin");
    let bytes = std::fs::read(&newest).unwrap();
    std::fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();

    let engine = Engine::start(config(folder.path())).await.unwrap();
    let warehouse = engine.warehouse();
    warehouse.migrate().await.unwrap();
    all_must_claim_again(&warehouse, before).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_very_many_claims_their_table_is_emptied() {
    let engine = TestEngine::start().await;
    let warehouse = engine.warehouse();
    let before = warehouse.claim(5, 0).await.unwrap();
    let owners = format!("{}.owners", warehouse.database());
    testing::run_sql(&warehouse, &format!("INSERT INTO {owners} VALUES (0, 0, 0, 10001)")).await;
    let plan = warehouse.migration_plan().await.unwrap();
    assert!(plan.iter().any(|step| step.sql.starts_with("EXCHANGE TABLES")), "{plan:?}");
    warehouse.migrate().await.unwrap();
    assert_eq!(warehouse.migration_plan().await.unwrap(), []);
    assert_eq!(testing::run_sql(&warehouse, &format!("SELECT count() FROM {owners}")).await.trim(), "0");
    all_must_claim_again(&warehouse, before).await;
    engine.stop().await;
}

/// Whoever claimed before is fenced off; who claims now is not.
async fn all_must_claim_again(warehouse: &Warehouse, before: Claim) {
    let rows: Vec<_> = (0..5).map(|n| row(&app("kept"), n)).collect();
    let refused = warehouse.insert_events(before.batch(0, 4), &rows).await.unwrap_err();
    assert!(refused.is_fenced(), "{refused}");
    let again = warehouse.claim(before.epoch, before.partition).await.unwrap();
    warehouse.insert_events(again.batch(0, 4), &rows).await.unwrap();
    assert_eq!(count(warehouse).await, json!(5));
}
