use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use suanpan_journey::{App, Server, command, eventually, rule, run};

journeys! {
    a_graceful_stop_while_reporting_loses_nothing,
    a_second_server_on_the_same_folder_is_refused,
    a_start_that_cannot_be_says_what_to_do,
    configuration_comes_from_file_environment_and_command_line,
    keys_rules_and_attributes_survive_a_restart,
    a_log_read_by_nobody_fills_up_and_goes_on_when_it_is_read,
    a_full_disk_refuses_reports_until_there_is_space_again,
    a_disk_that_is_nearly_full_keeps_some_space_for_others,
}

async fn a_graceful_stop_while_reporting_loses_nothing() {
    let mut server = Server::start().await;
    let app = App::create(&server.calls()).await;
    let (acknowledged, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let reporters: Vec<_> = (0..4)
        .map(|_| {
            let (app, acknowledged, over) = (app.clone(), Arc::clone(&acknowledged), Arc::clone(&over));
            tokio::spawn(async move {
                let batch: Vec<Value> = vec![json!({ "event": "open", "user_id": "ann" }); 20];
                while !over.load(Ordering::Relaxed) {
                    match app.try_report(&json!(batch)).await {
                        Ok(reply) => {
                            let report = reply.expect(200);
                            acknowledged
                                .fetch_add(report["accepted"].as_u64().expect("a count"), Ordering::Relaxed);
                        }
                        Err(_server_is_away) => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                }
            })
        })
        .collect();
    for _ in 0..2 {
        let moment = acknowledged.load(Ordering::Relaxed) + 2000;
        eventually("reporting goes on", 60, async || {
            (acknowledged.load(Ordering::Relaxed) >= moment).then_some(())
        })
        .await;
        let (status, said) = server.stop();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(!said.contains("ERROR"), "{said}");
        server.start_again().await;
    }
    over.store(true, Ordering::Relaxed);
    for reporter in reporters {
        reporter.await.expect("every answer was 200, or there was none");
    }
    server.settle().await;
    let stored = app.outcomes().await;
    let (acknowledged, end) = (acknowledged.load(Ordering::Relaxed), log_end(&server).await);
    // A stopping server finishes the requests it has begun: what it wrote it also acknowledged.
    assert_eq!(stored, [("stored".to_owned(), acknowledged)].into());
    assert_eq!(end, acknowledged);
    assert_eq!(app.totals(&rule(json!({}))).await, json!([acknowledged]));
}

async fn log_end(server: &Server) -> u64 {
    server.calls().status().await["log_end_offset"].as_u64().expect("an offset")
}

async fn a_second_server_on_the_same_folder_is_refused() {
    let server = Server::start().await;
    let second = serve(&server.data_dir(), "127.0.0.1:0", &[]).await.failed();
    assert_one_sentence(&second, &["open elsewhere", "folder"]);
    // The first one did not notice.
    let app = App::create(&server.calls()).await;
    app.accept(&[json!({ "event": "open", "user_id": "ann" })]).await;
    app.ask_until(&rule(json!({})), &json!([1])).await;
}

async fn a_start_that_cannot_be_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let data = folder.path().join("data");

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it listens").to_string();
    assert_one_sentence(&serve(&data, &address, &[]).await.failed(), &[&address, "taken", "--listen"]);
    assert!(!data.exists(), "a start that fails so early leaves nothing behind");
    assert_one_sentence(&serve(&data, "nowhere", &[]).await.failed(), &["nowhere", "127.0.0.1:8765"]);

    let free = "127.0.0.1:0";
    let misspelt = serve(&data, free, &["gateway.body_byte_max=1"]).await.failed();
    assert_one_sentence(&misspelt, &["gateway.body_byte_max", "did you mean \"gateway.body_bytes_max\""]);
    let outside = serve(&data, free, &["gateway.depth_max=9999"]).await.failed();
    assert_one_sentence(&outside, &["gateway.depth_max", "between 1 and 64"]);
    let unfitting = serve(&data, free, &["log.bytes_max=4194304"]).await.failed();
    assert_one_sentence(&unfitting, &["log_bytes_max", "must hold"]);
    let engineless = serve(
        &folder.path().join("engineless"),
        free,
        &["warehouse.library=/nowhere/libchdb.so", "warehouse.use_path_binary=false"],
    )
    .await
    .failed();
    assert_one_sentence(&engineless, &["no ClickHouse engine", "make engine", "/nowhere/libchdb.so"]);

    // A folder that nobody can write to, also not root: there is a file in its place.
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file can be written");
    assert_one_sentence(&serve(&file.join("data"), free, &[]).await.failed(), &["data folder", "file/data"]);
    assert_one_sentence(
        &serve(Path::new("/proc/suanpan"), free, &[]).await.failed(),
        &["data folder", "/proc/suanpan"],
    );
}

/// Runs `suanpan serve` to its end, which is expected to come soon.
async fn serve(data: &Path, listen: &str, settings: &[&str]) -> suanpan_journey::Finished {
    let data = data.display().to_string();
    let mut arguments = vec!["serve", "--listen", listen, "--data-dir", &data];
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    run(arguments).await
}

#[track_caller]
fn assert_one_sentence(said: &str, parts: &[&str]) {
    // Lines of the log may come before; the sentence is the last line.
    let sentence = said.trim_end().lines().last().unwrap_or_default();
    assert!(sentence.starts_with("suanpan: "), "{said}");
    for part in parts {
        assert!(sentence.contains(part), "{part:?} is not in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

async fn configuration_comes_from_file_environment_and_command_line() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("suanpan.toml");
    std::fs::write(&file, "[gateway]\nevents_per_request_max = 3\n[gatewax]\nbody_bytes_max = 1\n")
        .expect("a file");
    let said = run(["serve", "--config", &file.display().to_string()]).await.failed();
    assert_one_sentence(
        &said,
        &["suanpan.toml", "gatewax.body_bytes_max", "did you mean \"gateway.body_bytes_max\""],
    );
    let mut misspelt = command();
    misspelt.env("SUANPAN_GATEWAY_DEPTH", "1").args(["serve", "--listen", "127.0.0.1:0"]);
    let output = misspelt.output().expect("suanpan can be run");
    assert_one_sentence(
        &String::from_utf8_lossy(&output.stderr),
        &["SUANPAN_GATEWAY_DEPTH", "SUANPAN_GATEWAY_DEPTH_MAX"],
    );
}

async fn keys_rules_and_attributes_survive_a_restart() {
    let mut server = Server::start().await;
    let calls = server.calls();
    let app = App::create(&calls).await;
    app.define("amount", "number").await;
    let (id, revoked) = app.key(json!({ "kind": "read" })).await;
    calls.admin(reqwest::Method::DELETE, &app.path(&format!("/keys/{id}")), None).await.expect(200);
    let saved = json!({ "rule": rule(json!({ "measures": [{ "measure": "sum", "attribute": "amount" }] })) });
    calls.admin(reqwest::Method::PUT, &app.path("/rules/amount"), Some(&saved)).await.expect(200);
    app.accept(&[json!({ "event": "order", "user_id": "ann", "properties": { "amount": 2.5 } })]).await;
    let token = calls.admin_token();
    // Who may read the folder may do everything: only its owner may.
    let mode = std::fs::metadata(server.data_dir().join("admin-token"))
        .expect("the token's file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");

    server.kill_tree();
    server.start_again().await;
    assert_eq!(calls.admin_token(), token);
    let request = calls.request(reqwest::Method::GET, &app.path("/rules/amount/answer"));
    server.settle().await;
    let answer = suanpan_journey::Reply::of(request.bearer_auth(&app.read_key)).await.expect(200);
    assert_eq!(answer["series"][0]["total"], json!([2.5]));
    let stopped = app.with_read_key(&revoked);
    stopped.try_ask(&rule(json!({}))).await.problem(401, "key_unknown");
    // No secret stands in the folder in plain text, but for the admin token's own file.
    let catalog = std::fs::read(server.data_dir().join("catalog.sqlite")).expect("the catalog");
    for secret in [&app.read_key, &app.write_key, &token] {
        assert!(
            !catalog.windows(secret.len()).any(|window| window == secret.as_bytes()),
            "keys are stored hashed"
        );
    }
}

/// About 900 KB of events that do not compress.
fn large_batch() -> Vec<Value> {
    let text = || (0..700).map(|_| format!("{:016x}", rand::random::<u64>())).collect::<String>();
    (0..80).map(|_| json!({ "event": "open", "user_id": "ann", "properties": { "text": text() } })).collect()
}

/// Reports until the log takes no more; gives the number of acknowledged events.
async fn fill(app: &App, batches_max: usize) -> u64 {
    fill_slowly(app, batches_max, Duration::ZERO).await
}

/// The same, with a pause between batches.
async fn fill_slowly(app: &App, batches_max: usize, pause: Duration) -> u64 {
    let mut acknowledged = 0;
    for _ in 0..batches_max {
        tokio::time::sleep(pause).await;
        let reply = app.report(&json!(large_batch())).await;
        if reply.status == 200 {
            acknowledged += reply.expect(200)["accepted"].as_u64().expect("a count");
            continue;
        }
        assert_eq!(reply.retry_after_s, Some(30));
        reply.problem(503, "log_full");
        return acknowledged;
    }
    panic!("{batches_max} large batches did not fill the log");
}

async fn a_log_read_by_nobody_fills_up_and_goes_on_when_it_is_read() {
    let small = ["log.segment_bytes_max=2097152", "log.bytes_max=8388608", "log.committed_bytes_kept_max=0"];
    let mut server = Server::start_with(&small).await;
    let app = App::create(&server.calls()).await;
    server.set_warehouse_away(true);
    let mut acknowledged = fill(&app, 20).await;
    assert!(acknowledged >= 160, "events are accepted while the warehouse is away: {acknowledged}");
    app.report(&json!(large_batch())).await.problem(503, "log_full");
    // Full as it is, it can be killed and started again.
    server.set_warehouse_away(false);
    server.kill_tree();
    server.start_again().await;
    acknowledged += eventually("the log takes events again", 30, async || {
        let reply = app.report(&json!(large_batch())).await;
        (reply.status == 200).then(|| reply.body["accepted"].as_u64().expect("a count"))
    })
    .await;
    server.settle().await;
    assert_eq!(app.outcomes().await, [("stored".to_owned(), acknowledged)].into());
}

async fn a_full_disk_refuses_reports_until_there_is_space_again() {
    let settings = [
        "log.segment_bytes_max=2097152",
        "log.bytes_max=33554432",
        "log.committed_bytes_kept_max=0",
        "log.disk_free_bytes_min=0",
    ];
    let server = Server::start_on_small_disk(16, &settings).await;
    let app = App::create(&server.calls()).await;
    app.accept(&large_batch()).await;
    // Something else takes what is left of the disk; without a disk of its own, the log takes it.
    server.set_warehouse_away(true);
    let ballast = server.place("log").join("ballast");
    let mut file = File::create(&ballast).expect("a file can be made");
    for _ in 0..13 {
        let _full = file.write_all(&[0; 1 << 20]);
    }
    let acknowledged = 80 + fill(&app, 50).await;
    app.report(&json!(large_batch())).await.problem(503, "log_full");
    std::fs::remove_file(&ballast).expect("a file can be removed");
    server.set_warehouse_away(false);
    server.settle().await;
    app.accept(&large_batch()).await;
    server.settle().await;
    assert_eq!(app.outcomes().await, [("stored".to_owned(), acknowledged + 80)].into());
    assert_eq!(log_end(&server).await, acknowledged + 80);
}

async fn a_disk_that_is_nearly_full_keeps_some_space_for_others() {
    let settings =
        ["log.segment_bytes_max=2097152", "log.bytes_max=67108864", "log.committed_bytes_kept_max=0"];
    let server = Server::start_on_small_disk(48, &settings).await;
    let app = App::create(&server.calls()).await;
    server.set_warehouse_away(true);
    // The disk is looked at ten times a second.
    let acknowledged = fill_slowly(&app, 90, Duration::from_millis(120)).await;
    if server.has_small_disks() {
        let disk = nix::sys::statvfs::statvfs(&server.place("log")).expect("there is a disk");
        let (free, all) = (disk.blocks_available(), disk.blocks());
        // It is a twentieth of a small disk, of which the last request may have taken some.
        assert!(free * 40 > all, "{free} of {all} blocks are free");
    }
    server.set_warehouse_away(false);
    server.settle().await;
    app.accept(&large_batch()).await;
    server.settle().await;
    assert_eq!(app.outcomes().await, [("stored".to_owned(), acknowledged + 80)].into());
}
