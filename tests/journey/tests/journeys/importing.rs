use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use suanpan_journey::{App, Finished, Server, command, eventually, measure, now_ms, rule, run};

use crate::shared;

journeys! {
    a_csv_is_imported_once_and_its_bad_lines_are_named,
    ndjson_is_imported_through_the_columns_that_are_mapped,
    an_import_goes_on_where_it_was_killed,
}

const SHOP: &str = "\
ts,user,event,amount,zip
2024-03-01 08:00:00,ann,order,10,01234
2024-03-01 09:00:00,bob,order,20.5,99999
yesterday,bob,order,1,1
2024-03-01 23:30:00,,order,1,1
2024-03-02 08:00:00,cem,open,,
2024-03-02 08:00:00,cem,,5,
";
const MAP: [&str; 6] = ["--map", "user=user_id", "--text", "zip", "--time-zone", "Asia/Shanghai"];

async fn import(app: &App, file: &Path, more: &[&str]) -> Finished {
    let (file, url) = (file.display().to_string(), app.url());
    let mut arguments = vec!["import", &file, "--url", &url, "--key", &app.write_key];
    arguments.extend(more);
    run(arguments).await
}

async fn a_csv_is_imported_once_and_its_bad_lines_are_named() {
    let calls = shared::server().await;
    let app = App::create_in(&calls, "Asia/Shanghai").await.importing().await;
    app.define("amount", "number").await;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("shop.csv");
    std::fs::write(&file, SHOP).expect("a file can be written");

    let dry = import(&app, &file, &[&["--dry-run"], &MAP[..]].concat()).await;
    assert!(dry.out.contains("dry run") && dry.out.contains("3 of 6"), "{dry:?}");
    shared::settle().await;
    assert!(app.outcomes().await.is_empty(), "a dry run sends nothing");

    let imported = import(&app, &file, &MAP).await;
    assert_eq!(imported.code, Some(2), "some lines were rejected: {imported:?}");
    let rejects =
        std::fs::read_to_string(folder.path().join("shop.csv.rejects.ndjson")).expect("the rejects");
    let lines: Vec<Value> = rejects.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let numbers: Vec<u64> = lines.iter().filter_map(|reject| reject["line"].as_u64()).collect();
    assert_eq!(numbers, [4, 5, 7], "{rejects}");
    assert!(rejects.contains("yesterday"), "{rejects}");
    shared::settle().await;
    let question = rule(json!({ "interval": "day", "range": { "from": "2024-03-01", "to": "2024-03-02" },
        "measures": [measure("events"), { "measure": "sum", "attribute": "amount" },
            { "measure": "events", "name": "zip", "filter": { "attribute": "zip", "type": "string", "is": "=", "value": "01234" } }] }));
    let answer = app.ask(&question).await;
    assert_eq!(answer["series"][0]["points"], json!([[2, 1], [30.5, 0], [1, 0]]));

    // The same file again, from another place, makes only duplicates.
    let moved = folder.path().join("moved.csv");
    std::fs::copy(&file, &moved).expect("a file can be copied");
    assert_eq!(import(&app, &moved, &MAP).await.code, Some(2));
    shared::settle().await;
    assert_eq!(app.outcomes().await, [("stored".to_owned(), 3), ("duplicate".to_owned(), 3)].into());
    assert_eq!(app.ask(&question).await["series"], answer["series"]);
}

async fn ndjson_is_imported_through_the_columns_that_are_mapped() {
    let calls = shared::server().await;
    let app = App::create(&calls).await;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("visits.ndjson");
    let visit = |n: u32| json!({ "user": { "id": format!("u{n}") }, "page": "/", "n": n }).to_string();
    std::fs::write(&file, (0..50).map(|n| visit(n) + "\n").collect::<String>())
        .expect("a file can be written");
    let today = format!("time={}", now_ms());
    let map = ["--map", "user.id=user_id", "--set", "event=visit", "--set", &today];
    let imported = import(&app, &file, &map).await;
    assert_eq!(imported.code, Some(0), "{imported:?}");
    shared::settle().await;
    let filter = json!({ "attribute": "n", "type": "number", "is": "≥", "value": 40 });
    let question = rule(json!({ "measures": [measure("events"), measure("people")], "filter": filter }));
    assert_eq!(app.totals(&question).await, json!([10, 10]));

    // A key that may not report old events says so for each line.
    let old = folder.path().join("old.csv");
    std::fs::write(&old, "time,user_id,event\n2024-03-01T00:00:00Z,ann,open\n")
        .expect("a file can be written");
    let refused = import(&app, &old, &[]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.out.contains("time_too_old") && refused.out.contains("may-report-old"), "{refused:?}");
    let keyless = app.with_write_key("spw_unknown");
    let refused = import(&keyless, &old, &["--restart"]).await;
    assert!(refused.code == Some(1) && refused.err.contains("key"), "{refused:?}");
}

async fn an_import_goes_on_where_it_was_killed() {
    let server = Server::start().await;
    let app = App::create(&server.calls()).await.importing().await;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("large.csv");
    let lines = 30_000_u64;
    let rows: String =
        (0..lines).map(|n| format!("2025-06-{:02} 12:00:00,u{},open,{n}\n", 1 + n % 30, n % 50)).collect();
    std::fs::write(&file, format!("time,user_id,event,n\n{rows}")).expect("a file can be written");

    let path = file.display().to_string();
    let mut first = command()
        .args(["import", &path, "--url", &app.url(), "--key", &app.write_key, "--batch-events", "50"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("suanpan can be run");
    eventually("a part is imported", 60, async || {
        let ended = first.try_wait().expect("a child can be waited for");
        assert!(ended.is_none(), "the import ended before it could be killed");
        let end = server.calls().status().await["log_end_offset"].as_u64().expect("an offset");
        (end > 1000).then_some(())
    })
    .await;
    first.kill().and_then(|()| first.wait()).expect("it can be killed");
    assert!(folder.path().join("large.csv.suanpan-import.json").exists(), "the place stands on disk");

    let rest = import(&app, &file, &[]).await;
    assert_eq!(rest.code, Some(0), "{rest:?}");
    assert!(rest.out.contains("more were done before") && rest.out.contains("30,000"), "{rest:?}");
    server.settle().await;
    let all = rule(json!({ "measures": [measure("events"), measure("people")],
        "range": { "from": "2025-06-01", "to": "2025-06-30" } }));
    assert_eq!(app.totals(&all).await, json!([lines, 50]));
    assert_eq!(app.outcomes().await["stored"], lines);
    assert!(
        !folder.path().join("large.csv.suanpan-import.json").exists(),
        "a finished import needs no place"
    );
}
