//! The user that asks reads the rows of one app within its limits, and nothing else.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::collections::HashSet;

use fixture::{TELLTALES, app, batch, question, row};
use serde_json::{Value, json};
use suanpan_event::AppId;
use suanpan_warehouse::{AskLimits, AskRequest, EventRow, Warehouse, WarehouseError, param_text, testing};

/// Stores 10 events for `mine` and 20 for `theirs`, whose actor is `secret`.
async fn two_apps(warehouse: &Warehouse, epoch: u64, mine: &AppId, theirs: &AppId) {
    let rows: Vec<_> = (0..30)
        .map(|n| match n {
            0..10 => row(mine, n),
            _ => EventRow { actor_id: "secret".into(), ..row(theirs, n) },
        })
        .collect();
    warehouse.insert_events(batch(epoch, &rows), &rows).await.unwrap();
}

#[test]
fn no_sql_reads_another_apps_rows() {
    testing::run(async |warehouse: Warehouse| {
        let (mine, theirs) = (app("mine"), app("theirs"));
        two_apps(&warehouse, 30, &mine, &theirs).await;
        let db = warehouse.database();
        let counts = [
            "SELECT count() FROM events".to_owned(),
            format!("SELECT count() FROM {db}.events"),
            format!("SELECT uniqExact(event_id) FROM merge('{db}', '^events')"),
            "SELECT count() FROM events WHERE app_id = 'mine' OR 1".into(),
            "SELECT count() FROM (SELECT * FROM events UNION DISTINCT SELECT * FROM events)".into(),
            "SELECT countIf(initialQueryID() != '') FROM events".into(),
            "WITH e AS (SELECT *, 'theirs' AS initialQueryID FROM events) SELECT count() FROM e".into(),
            "SELECT count() FROM events FINAL WHERE 1".into(),
            "SELECT count() FROM events PREWHERE 1".into(),
        ];
        for sql in counts {
            match warehouse.ask(&question(&mine, &sql)).await {
                Ok(table) => assert_eq!(table.rows, [[json!(10)]], "{sql}"),
                Err(WarehouseError::Query { .. }) => {}
                Err(other) => panic!("{sql}: {other}"),
            }
        }
        let elsewhere = app("nobody");
        assert_eq!(
            warehouse.ask(&question(&elsewhere, "SELECT count() FROM events")).await.unwrap().rows,
            [[json!(0)]]
        );
    });
}

#[test]
fn what_reaches_elsewhere_is_refused() {
    testing::run(async |warehouse: Warehouse| {
        let (mine, theirs) = (app("mine-2"), app("theirs-2"));
        two_apps(&warehouse, 31, &mine, &theirs).await;
        let db = warehouse.database();
        for sql in [
            "SELECT count() FROM events_local".into(),
            format!("SELECT count() FROM {db}.events_local"),
            format!("SELECT count() FROM merge('{db}', '_local$')"),
            format!("SELECT * FROM mergeTreeIndex('{db}', 'events_local')"),
            format!("SELECT * FROM mergeTreeProjection('{db}', 'events_local', 'p')"),
            format!("SELECT * FROM loop('{db}', 'events_local')"),
            format!("SELECT joinGet('{db}.events_local', 'app_id', 1)"),
            format!("SELECT hasColumnInTable('{db}', 'events_local', 'app_id')"),
            "SELECT * FROM view(SELECT * FROM events_local)".into(),
            "SELECT * FROM file('/etc/passwd', 'LineAsString')".into(),
            "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')".into(),
            format!("SELECT * FROM remote('127.0.0.1', '{db}', 'events_local')"),
            format!("SELECT * FROM cluster('default', '{db}', 'events_local')"),
            "SELECT * FROM s3('http://127.0.0.1:1/x')".into(),
            "SELECT * FROM executable('x', 'TSV', 'x String')".into(),
            "SELECT * FROM system.query_log".into(),
            "SELECT * FROM system.users".into(),
            "SELECT * FROM system.processes".into(),
            "SELECT * FROM system.parts".into(),
            format!("SELECT * FROM {db}.ledger"),
            format!("SELECT * FROM {db}.ledger_local"),
            format!("SELECT * FROM {db}.schema_versions"),
            format!("INSERT INTO {db}.events_local (app_id) VALUES ('mine-2')"),
            format!("DROP TABLE {db}.events_local"),
            format!("ALTER TABLE {db}.events_local DELETE WHERE 1"),
            "CREATE TEMPORARY TABLE t (x String)".into(),
            "SET readonly = 0".into(),
            "SELECT count() FROM events SETTINGS readonly = 0".into(),
            "SELECT count() FROM events SETTINGS max_rows_to_read = 0".into(),
            "SELECT count() FROM events SETTINGS max_execution_time = 100000".into(),
            "SELECT count() FROM events SETTINGS additional_table_filters = {'events_local': '1'}".into(),
            "SELECT addressToLine(1)".into(),
            "SELECT count() FROM events SETTINGS max_threads = 64".into(),
            "KILL QUERY WHERE 1".into(),
            "SYSTEM STOP MERGES".into(),
            "SELECT * FROM events INTO OUTFILE '/tmp/suanpan-stolen'".into(),
            "SELECT 1; SELECT 2".into(),
        ] {
            match warehouse.ask(&question(&mine, &sql)).await {
                Err(WarehouseError::Query { .. } | WarehouseError::Decode { .. }) => {}
                other => panic!("{sql}: {other:?}"),
            }
        }
    });
}

#[test]
fn nothing_else_tells_about_others_either() {
    testing::run(async |warehouse: Warehouse| {
        let (mine, theirs) = (app("mine-3"), app("theirs-3"));
        two_apps(&warehouse, 32, &mine, &theirs).await;
        // The catalogue of tables may be read, but only lists what may be read.
        let sql = "SELECT DISTINCT name FROM system.tables WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', \
                   'information_schema')";
        if let Ok(table) = warehouse.ask(&question(&mine, sql)).await {
            let names: HashSet<Value> = table.rows.into_iter().flatten().collect();
            assert!(names.is_subset(&[json!("events")].into()), "{names:?}");
        }
        for sql in [
            "SELECT count() FROM events WHERE actor_id = 'secret'",
            "SELECT countIf(app_id != 'mine-3') FROM events",
            "SELECT count() FROM events WHERE app_id = splitByChar('|', 'theirs-3|x')[1]",
            "SELECT count() FROM events AS a JOIN events AS b ON a.app_id = b.app_id WHERE b.actor_id = 'secret'",
            "SELECT count() FROM events WHERE actor_id IN (SELECT actor_id FROM events WHERE app_id = 'theirs-3')",
        ] {
            let table = warehouse.ask(&question(&mine, sql)).await.unwrap();
            assert_eq!(table.rows, [[json!(0)]], "{sql}");
        }
    });
}

#[test]
fn each_limit_is_hit_by_its_name() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("limited");
        let rows: Vec<_> = (0..20_000).map(|n| row(&app, n)).collect();
        warehouse.insert_events(batch(33, &rows), &rows).await.unwrap();
        let check = async |sql: &str, limits: AskLimits, expected: &str| {
            let request = AskRequest { limits, ..question(&app, sql) };
            let refused = warehouse.ask(&request).await.expect_err(sql);
            assert_eq!(refused.kind(), expected, "{refused}");
        };
        let wide = AskLimits::default();
        let slow = "SELECT sum(cityHash64(a.event_id, b.event_id)) FROM events AS a CROSS JOIN events AS b";
        check(slow, AskLimits { time_ms: 200, ..wide }, "time_limit").await;
        let all = "SELECT count(), uniqExact(event_id) FROM events";
        check(all, AskLimits { rows_to_read: 1_000, ..wide }, "row_limit").await;
        check(all, AskLimits { memory_bytes: 1_000_000, ..wide }, "memory_limit").await;
        let ids = "SELECT event_id FROM events";
        check(ids, AskLimits { result_rows: 100, ..wide }, "result_limit").await;
        check(ids, AskLimits { result_bytes: 1_000, ..wide }, "result_limit").await;
        check("SELECT nothing FROM events", wide, "query").await;
        // More than the maximum is the maximum; zero is not "no limit".
        check(ids, AskLimits { result_rows: 0, ..wide }, "result_limit").await;
        let most = AskLimits { time_ms: u64::MAX, rows_to_read: u64::MAX, ..wide };
        let request = AskRequest { limits: most, ..question(&app, "SELECT count() FROM events") };
        assert_eq!(warehouse.ask(&request).await.unwrap().rows, [[json!(20_000)]]);
    });
}

#[test]
fn answers_have_types_parameters_and_statistics() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("typed");
        let odd = "it's\t\\ {x:String}\nend";
        let rows: Vec<_> = (0..10).map(|n| EventRow { event: odd.into(), ..row(&app, n) }).collect();
        warehouse.insert_events(batch(34, &rows), &rows).await.unwrap();
        let request = AskRequest {
            params: vec![("name".into(), param_text(odd)), ("least".into(), "5".into())],
            ..question(
                &app,
                "SELECT event, count() AS n, avg(log_offset) AS mean, max(18446744073709551615) AS big, 1 / 0 AS inf, \
                 NULL AS nothing FROM events WHERE event = {name:String} AND log_offset >= {least:UInt64} GROUP BY event",
            )
        };
        let table = warehouse.ask(&request).await.unwrap();
        assert_eq!(table.rows, [[json!(odd), json!(5), json!(7), json!(u64::MAX), Value::Null, Value::Null]]);
        let types: Vec<_> = table.columns.iter().map(|c| (c.name.as_str(), c.type_name.as_str())).collect();
        assert_eq!(types[..3], [("event", "LowCardinality(String)"), ("n", "UInt64"), ("mean", "Float64")]);
        assert_eq!((table.rows_read, table.bytes_read > 0), (10, true));
    });
}

#[test]
fn an_estimate_reads_the_key_alone() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("estimated");
        let rows: Vec<_> = (0..30_000).map(|n| row(&app, n)).collect();
        warehouse.insert_events(batch(35, &rows), &rows).await.unwrap();
        let sql = "SELECT count() FROM events WHERE app_id = {app:String} AND report_date = '2024-03-01'";
        let params = [("app".to_owned(), app.to_string())];
        let estimate = warehouse.estimate_rows(&app, sql, &params).await.unwrap();
        assert!(estimate >= 30_000, "{estimate}");
        let none = "SELECT count() FROM events WHERE app_id = {app:String} AND report_date = '2031-01-01'";
        assert_eq!(warehouse.estimate_rows(&app, none, &params).await.unwrap(), 0);
    });
}

#[test]
fn no_question_runs_on_another_apps_rows() {
    testing::run(async |warehouse: Warehouse| {
        let (mine, theirs) = (app("mine-4"), app("theirs-4"));
        let rows: Vec<_> = (0..60)
            .map(|n| {
                let (owner, session) = if n % 3 == 0 { (&mine, "7") } else { (&theirs, "secret") };
                EventRow { session_id: session.into(), ..row(owner, n) }
            })
            .collect();
        warehouse.insert_events(batch(36, &rows), &rows).await.unwrap();
        for sql in TELLTALES {
            let answer = warehouse.ask(&question(&mine, sql)).await;
            assert!(answer.is_ok(), "{sql}: {answer:?}");
            // The same fails for the app whose rows they are.
            let told = warehouse.ask(&question(&theirs, sql)).await.unwrap_err();
            assert!(matches!(told, WarehouseError::Query { .. }), "{sql}: {told}");
        }
    });
}
