use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use suanpan_journey::{App, DAY_MS, Finished, Reply, Server, Setup, ago, rule, run};

journeys! {
    an_audit_names_what_was_done_behind_our_back,
    a_person_is_deleted_and_old_events_go,
    a_backup_made_while_events_come_is_restored,
}

/// A command of the binary, told where the server is.
async fn suanpan(server: &Server, arguments: &[&str]) -> Finished {
    let (url, token) = (server.calls().url(), server.calls().admin_token());
    let all = arguments.iter().copied().chain(["--url", &url, "--token", &token]);
    run(all.map(str::to_owned)).await
}

fn opened(people: usize, count: usize) -> Vec<Value> {
    (0..count).map(|n| json!({ "event": "open", "user_id": format!("u{}", n % people) })).collect()
}

async fn an_audit_names_what_was_done_behind_our_back() {
    let mut server = Server::start().await;
    let app = App::create(&server.calls()).await;
    app.accept(&opened(10, 200)).await;
    app.report(&json!([{ "user_id": "nameless" }])).await;
    server.settle().await;
    let told = suanpan(&server, &["audit"]).await.succeeded();
    assert!(
        told.contains("received 201 = refused 1 + accepted 200") && told.contains("no differences"),
        "{told}"
    );

    let (status, said) = server.stop();
    assert_eq!(status.code(), Some(0), "{said}");
    let store = server.store().await;
    store.query("ALTER TABLE events_local DELETE WHERE user_id = 'u3' SETTINGS mutations_sync = 2").await;
    drop(store);
    server.start_again().await;
    let lost = suanpan(&server, &["audit", "--json"]).await;
    assert_eq!(lost.code, Some(1), "{}{}", lost.out, lost.err);
    let lines: Vec<Value> =
        lost.out.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let missed = |check: &str| -> u64 {
        let of_check = lines.iter().filter(|line| line["kind"] == "difference" && line["check"] == check);
        of_check
            .map(|line| line["expected"].as_u64().unwrap_or(0) - line["found"].as_u64().unwrap_or(0))
            .sum()
    };
    assert_eq!((missed("rows"), missed("log")), (20, 20), "{}", lost.out);
}

async fn a_person_is_deleted_and_old_events_go() {
    let mut server = Server::start().await;
    let app = App::create(&server.calls()).await;
    let importing = app.importing().await;
    importing.accept(&[json!({ "event": "open", "user_id": "u1", "time": ago(20 * DAY_MS) })]).await;
    app.accept(&opened(4, 100)).await;
    let id =
        app.path("").trim_end_matches('/').rsplit('/').next().expect("the path ends with the app").to_owned();
    let delete = ["actors", "delete", "u2", "--yes", "--follow", "--app", &id];
    let told = suanpan(&server, &delete).await.succeeded();
    assert!(told.contains("finished"), "{told}");
    app.ask_until(&rule(json!({})), &json!([76])).await;

    // Nobody is there to be asked.
    let shorter = ["apps", "set", &id, "--retention-days", "10"];
    let asked = suanpan(&server, &shorter).await.failed();
    assert!(asked.contains("1 events") && asked.contains("--yes"), "{asked}");
    suanpan(&server, &[&shorter[..], &["--yes"]].concat()).await.succeeded();
    app.ask_until(&rule(json!({})), &json!([75])).await;
    server.kill_tree();
    server.start_again().await;
    server.settle().await;
    let told = suanpan(&server, &["audit"]).await.succeeded();
    assert!(told.contains("of those stored, 26 were removed since"), "{told}");
    let lines = Reply::of(
        server
            .calls()
            .request(Method::GET, &app.path("/accounts?interval=day"))
            .bearer_auth(server.calls().admin_token()),
    )
    .await
    .expect(200);
    let sum = |field: &str| -> u64 {
        lines["lines"].as_array().into_iter().flatten().filter_map(|line| line[field].as_u64()).sum()
    };
    assert_eq!((sum("received"), sum("stored"), sum("present")), (101, 101, 75), "{lines:#}");
    assert_eq!((sum("removed_with_person"), sum("removed_by_retention")), (25, 1));
}

async fn a_backup_made_while_events_come_is_restored() {
    let mut server = Server::start_as(Setup { is_apart: true, ..Setup::default() }).await;
    let app = App::create(&server.calls()).await;
    app.accept(&opened(7, 700)).await;
    server.settle().await;
    let opens = rule(
        json!({ "measures": [{ "measure": "events", "event": "open" }, { "measure": "people", "event": "open" }] }),
    );
    let before = app.ask(&opens).await["series"].clone();

    let over = Arc::new(AtomicBool::new(false));
    let (reporting, told) = (app.clone(), Arc::clone(&over));
    let reporter = tokio::spawn(async move {
        let mut count = 0_u64;
        while !told.load(Ordering::Relaxed) {
            reporting
                .accept(&[
                    json!({ "event": "noise", "user_id": "n" }),
                    json!({ "event": "noise", "user_id": "m" }),
                ])
                .await;
            count += 2;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        count
    });
    let elsewhere = server.data_dir().with_file_name("elsewhere");
    let to = elsewhere.to_str().expect("a temporary folder's name is text").to_owned();
    let made = suanpan(&server, &["backup", "--to", &to, "--name", "one"]).await.succeeded();
    assert!(made.contains("finished") && made.contains("it stands in"), "{made}");
    over.store(true, Ordering::Relaxed);
    assert!(reporter.await.expect("every report was accepted") > 0);
    server.kill_tree();

    std::fs::rename(server.data_dir(), server.data_dir().with_file_name("lost"))
        .expect("a folder can be renamed");
    let told = restore(&elsewhere.join("one"), &server.data_dir()).await.succeeded();
    assert!(told.contains("restored the backup one"), "{told}");
    let again = restore(&elsewhere.join("one"), &server.data_dir()).await.failed();
    assert!(again.contains("restore into a new data folder"), "{again}");
    server.start_again().await;
    let told = suanpan(&server, &["audit"]).await.succeeded();
    assert!(told.contains("no differences"), "{told}");
    // Its keys work as before, and its answers are the same.
    assert_eq!(app.ask(&opens).await["series"], before);
    app.accept(&opened(1, 1)).await;
    server.settle().await;
    suanpan(&server, &["audit"]).await.succeeded();
}

async fn restore(from: &Path, data_dir: &Path) -> Finished {
    let (from, data_dir) = (from.as_os_str(), data_dir.as_os_str());
    run(["restore".as_ref(), "--from".as_ref(), from, "--data-dir".as_ref(), data_dir]).await
}
