//! Several real engines as the shards of a cluster: rows are where their key says, and everything is found.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use fixture::{DAY_MS, MARCH_MS, TELLTALES, app, question, row};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use suanpan_event::{AppId, DeadEvent, Origin, place_key, report_date};
use suanpan_warehouse::testing::TestCluster;
use suanpan_warehouse::{
    AskRequest, BatchId, Claim, DeadLetterBy, DeadLetterFilter, Engine, EngineConfig, EventRow, LedgerEntry,
    NewLearnt, NewLink, ReplayNote, StoredIdProbe, Warehouse, WarehouseError,
};
use uuid::Uuid;

const SHARDS: usize = 2;
const PARTITIONS: u32 = 4;

/// Events of many people; those of a partition of the log, as the gateway would have placed them.
fn rows_of(app: &AppId, partition: u32, people: u64, events: u64) -> Vec<EventRow<'static>> {
    let rows = (0..people * events).map(|n| EventRow {
        actor_id: format!("person {}", n % people).into(),
        event: format!("e{}", n % 5).into(),
        event_time_ms: MARCH_MS + (n % 3) as i64 * DAY_MS + n as i64,
        ..row(app, n)
    });
    let is_here = |row: &EventRow<'_>| {
        place_key(&row.app_id, &row.actor_id) % u64::from(PARTITIONS) == u64::from(partition)
    };
    let mut rows: Vec<_> = rows.filter(is_here).collect();
    // Offsets are counted in each partition.
    for (offset, row) in rows.iter_mut().enumerate() {
        row.log_offset = offset as u64;
    }
    rows
}

async fn store(warehouse: &Warehouse, claim: Claim, rows: &[EventRow<'static>]) {
    for batch in rows.chunks(500) {
        let id = claim.batch(batch[0].log_offset, batch[batch.len() - 1].log_offset);
        store_batch(warehouse, id, batch).await.unwrap();
    }
}

async fn store_batch(
    warehouse: &Warehouse,
    id: BatchId,
    rows: &[EventRow<'static>],
) -> Result<(), WarehouseError> {
    warehouse.insert_events(id, rows).await?;
    let events = rows.len() as u64;
    let entry = LedgerEntry {
        app_id: rows[0].app_id.clone(),
        minute_ms: MARCH_MS,
        outcome: "stored",
        code: "".into(),
        events,
    };
    warehouse.insert_ledger(id, &[entry]).await
}

async fn one(warehouse: &Warehouse, app: &AppId, sql: &str) -> Value {
    let table = warehouse.ask(&question(app, sql)).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(table.rows.len(), 1, "{sql}");
    Value::Array(table.rows[0].clone())
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: not within 60 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The events of each person on each shard, as the shards themselves say.
async fn people_by_shard(cluster: &TestCluster, app: &AppId) -> Vec<BTreeMap<String, u64>> {
    let mut shards = Vec::new();
    for shard in 0..SHARDS {
        let sql = format!(
            "SELECT actor_id, count() FROM suanpan.events_local WHERE app_id = '{app}' GROUP BY actor_id"
        );
        let text = cluster.on_shard(shard, &sql).await;
        let pair = |line: &str| {
            let (person, events) = line.split_once('\t').unwrap();
            (person.to_owned(), events.parse().unwrap())
        };
        shards.push(text.lines().map(pair).collect());
    }
    shards
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_shards_is_one_warehouse() {
    let mut cluster = TestCluster::start(SHARDS).await;
    let warehouse = cluster.warehouse();
    everything_is_found(&cluster, &warehouse).await;
    the_side_tables_are_whole(&cluster, &warehouse).await;
    questions_are_answered_by_the_shards(&warehouse).await;
    the_walls_hold(&cluster, &warehouse).await;
    a_lost_partition_is_fenced_on_every_shard(&warehouse).await;
    migrating_again_changes_nothing(&cluster, &warehouse).await;
    what_is_configured_wrongly_is_refused(&cluster).await;
    cluster.end(1).await;
    a_part_of_the_shards_is_no_answer(&warehouse).await;
    cluster.stop().await;
}

async fn a_part_of_the_shards_is_no_answer(warehouse: &Warehouse) {
    let shop = app("shop");
    let check = |failed: WarehouseError| assert!(failed.is_retryable(), "{failed}");
    check(warehouse.ask(&question(&shop, "SELECT count() FROM events")).await.unwrap_err());
    check(warehouse.committed(100, 0).await.unwrap_err());
    check(warehouse.claim(100, 0).await.unwrap_err());
    check(warehouse.migrate().await.unwrap_err());
    // What is on the other shard alone can be asked for, and stored.
    let mine = (0..)
        .map(|n| format!("person {n}"))
        .find(|person| place_key(&shop, person).is_multiple_of(2))
        .unwrap();
    let sql = format!("SELECT count() FROM events WHERE app_id = 'shop' AND actor_id = '{mine}'");
    assert_eq!(one(warehouse, &shop, &sql).await, json!([6]));
}

async fn everything_is_found(cluster: &TestCluster, warehouse: &Warehouse) {
    let shop = app("shop");
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    let mut all = Vec::new();
    for partition in 0..PARTITIONS {
        let rows = rows_of(&shop, partition, 400, 6);
        let claim = warehouse.claim(100, partition).await.unwrap();
        store(warehouse, claim, &rows).await;
        // A second time, as after a lost answer.
        store(warehouse, claim, &rows).await;
        assert_eq!(warehouse.committed(100, partition).await.unwrap(), rows.len() as u64);
        let stored = warehouse.stored_offsets(100, partition, 10).await.unwrap();
        assert_eq!(stored.ranges(), std::slice::from_ref(&(10..rows.len() as u64)));
        let mut ids = HashSet::new();
        let share = (partition, PARTITIONS);
        warehouse.recent_ids(MARCH_MS, 1_000_000, share, |_, id, _| assert!(ids.insert(id))).await.unwrap();
        assert_eq!(ids, rows.iter().map(|row| row.event_id).collect());
        for row in &rows {
            *expected.entry(row.actor_id.to_string()).or_default() += 1;
        }
        all.extend(rows);
    }
    assert_eq!(expected.len(), 400);

    let shards = people_by_shard(cluster, &shop).await;
    for (shard, people) in shards.iter().enumerate() {
        assert!(people.len() > 100, "{}", people.len());
        for person in people.keys() {
            assert_eq!(place_key(&shop, person) % SHARDS as u64, shard as u64, "{person}");
        }
    }
    let found: BTreeMap<String, u64> = shards.into_iter().flatten().collect();
    assert_eq!(found, expected);
    let sql = "SELECT count(), uniqExact(actor_id), uniqExact(event_id), uniqExact(_shard_num) FROM events";
    assert_eq!(one(warehouse, &shop, sql).await, json!([2400, 400, 2400, SHARDS]));

    let probes: Vec<_> = all
        .iter()
        .map(|row| StoredIdProbe {
            event: &row.event,
            event_time_ms: row.event_time_ms,
            client_time_ms: None,
            event_id: row.event_id,
        })
        .collect();
    assert_eq!(warehouse.stored_ids(&shop, &probes).await.unwrap().len(), 2400);
    assert_eq!(
        warehouse.slot_floor(&shop, report_date(MARCH_MS), report_date(MARCH_MS)).await.unwrap(),
        Some(0)
    );
    let totals = warehouse.outcome_totals(&shop).await.unwrap();
    assert_eq!((totals.len(), totals[0].events), (1, 2400));
}

fn dead(app_id: &AppId, n: u64) -> DeadEvent<'static> {
    DeadEvent {
        app_id: app_id.clone(),
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, &n.to_le_bytes()),
        received_time_ms: MARCH_MS + n as i64,
        format: "native".into(),
        code: "missing".into(),
        field: "".into(),
        message: "".into(),
        event: format!("e{}", n % 3).into(),
        user_id: "".into(),
        device_id: "".into(),
        raw: "{}".into(),
        draft: "".into(),
        is_replayable: true,
        clock_correction_ms: None,
        may_report_old: false,
        origin: Origin::default(),
    }
}

async fn the_side_tables_are_whole(cluster: &TestCluster, warehouse: &Warehouse) {
    let shop = app("side");
    let everything = DeadLetterFilter::default();
    for partition in 0..PARTITIONS {
        let claim = warehouse.claim(101, partition).await.unwrap();
        let link = NewLink {
            app_id: shop.clone(),
            from_id: "phone".into(),
            to_id: "ann".into(),
            first_seen_ms: MARCH_MS + i64::from(partition),
            last_seen_ms: MARCH_MS + i64::from(partition),
        };
        warehouse.insert_links(claim.batch(0, 29), &[link]).await.unwrap();
        let learnt = NewLearnt {
            app_id: shop.clone(),
            event: "view",
            attribute: "",
            first_seen_ms: MARCH_MS,
            last_seen_ms: MARCH_MS,
            events: 30,
            types: 0,
            samples: Vec::new(),
            unlisted: Vec::new(),
        };
        for _ in 0..2 {
            warehouse.insert_learnt(claim.batch(0, 29), std::slice::from_ref(&learnt)).await.unwrap();
        }
        assert_eq!(warehouse.learnt_through(101, partition).await.unwrap(), 30);
        // The same dead events come by every partition: they are one row each.
        let dead: Vec<_> = (0..30).map(|n| (n, dead(&shop, n))).collect();
        let dead: Vec<_> = dead.iter().map(|(offset, dead)| (*offset, dead)).collect();
        warehouse.insert_dead_letter(claim.batch(0, 29), &dead).await.unwrap();
        assert_eq!(warehouse.dead_letter_end(101, partition, 0).await.unwrap(), 30);
    }
    assert_eq!(warehouse.learnt(&shop).await.unwrap()[0].events, 30 * u64::from(PARTITIONS));
    let links = warehouse.links_of(&shop, "ann").await.unwrap();
    assert_eq!((links.len(), links[0].first_seen_ms, links[0].last_seen_ms), (1, MARCH_MS, MARCH_MS + 3));

    let page = warehouse.dead_letter(&shop, &everything, None, 100).await.unwrap();
    assert_eq!(page.len(), 30);
    assert!(page.is_sorted_by(|a, b| a.received_time_ms > b.received_time_ms));
    let notes: Vec<_> = (0..10)
        .map(|n| ReplayNote { id: dead(&shop, n).id, outcome: "accepted", code: "", message: String::new() })
        .collect();
    warehouse.note_replays(&shop, 7, MARCH_MS, &notes).await.unwrap();
    let counts = warehouse.dead_letter_counts(&shop, &everything, DeadLetterBy::Code).await.unwrap();
    assert_eq!((counts[0].kept, counts[0].accepted), (30, 10));
    let kept = warehouse.dead_letter(&shop, &everything, None, 100).await.unwrap();
    assert_eq!(kept.iter().filter(|dead| dead.replay_outcome == "accepted").count(), 10);
    for shard in 0..SHARDS {
        let sql = "SELECT uniqExact(id) FROM suanpan.dead_letter_local";
        let here: usize = cluster.on_shard(shard, sql).await.trim().parse().unwrap();
        assert!((1..30).contains(&here), "{here}");
    }
    let trimmed = warehouse.trim_dead_letter(report_date(MARCH_MS + 10 * DAY_MS), 5, u64::MAX).await.unwrap();
    assert_eq!((trimmed.days_dropped, trimmed.bytes), (1, 0));
    assert!(warehouse.dead_letter(&shop, &everything, None, 100).await.unwrap().is_empty());
}

async fn questions_are_answered_by_the_shards(warehouse: &Warehouse) {
    let shop = app("shop");
    // A ranking over all shards, found by a subquery.
    let sql = "WITH scan AS (SELECT event, actor_id FROM events WHERE app_id = {app:String}), \
               top AS (SELECT event AS g FROM scan GROUP BY g ORDER BY count() DESC, g LIMIT 2) \
               SELECT (event) NOT IN (SELECT * FROM top) AS others, if(others, '', event) AS h, count(), \
               uniqExact(actor_id) FROM scan GROUP BY GROUPING SETS ((others, h)) ORDER BY others, h";
    let params = vec![("app".to_owned(), shop.to_string())];
    let answer = warehouse.ask(&AskRequest { params: params.clone(), ..question(&shop, sql) }).await.unwrap();
    let expected = [
        vec![json!(0), json!("e0"), json!(480), json!(80)],
        vec![json!(0), json!("e1"), json!(480), json!(80)],
        vec![json!(1), json!(""), json!(1440), json!(240)],
    ];
    assert_eq!(answer.rows, expected);
    let sql =
        "SELECT count() FROM events WHERE actor_id IN (SELECT actor_id FROM events WHERE log_offset = 0)";
    assert_eq!(one(warehouse, &shop, sql).await, json!([PARTITIONS * 6]));

    // What is grouped by app and person is finished on the shards: nothing is merged afterwards.
    let explain = async |keys: &str| {
        let sql = format!(
            "EXPLAIN SELECT n, count() FROM (SELECT count() AS n FROM events GROUP BY {keys}) GROUP BY n"
        );
        let lines = warehouse.ask(&question(&shop, &sql)).await.unwrap().rows;
        lines.iter().any(|line| line[0].as_str().unwrap().contains("MergingAggregated"))
    };
    assert!(!explain("app_id, actor_id").await);
    assert!(explain("actor_id").await);
    let sql = "SELECT n, count() FROM (SELECT count() AS n FROM events GROUP BY app_id, actor_id) GROUP BY n";
    assert_eq!(one(warehouse, &shop, sql).await, json!([6, 400]));

    // One person's events are looked for on one shard, and found.
    let sql =
        "SELECT count(), uniqExact(_shard_num) FROM events WHERE app_id = 'shop' AND actor_id = 'person 3'";
    assert_eq!(one(warehouse, &shop, sql).await, json!([6, 1]));
    let sql = "SELECT count() FROM events WHERE app_id = {app:String} AND report_date = '2024-03-01'";
    // An estimate counts whole granules, of each shard.
    let estimate = warehouse.estimate_rows(&shop, sql, &params).await.unwrap();
    assert!(estimate >= 800, "{estimate}");
}

async fn the_walls_hold(cluster: &TestCluster, warehouse: &Warehouse) {
    let (mine, theirs) = (app("mine"), app("theirs"));
    for (epoch, owner) in [(110, &mine), (111, &theirs)] {
        let session = if *owner == mine { "7" } else { "secret" };
        for partition in 0..PARTITIONS {
            let claim = warehouse.claim(epoch, partition).await.unwrap();
            let mut rows = rows_of(owner, partition, 40, 1);
            rows.iter_mut().for_each(|row| row.session_id = session.into());
            store(warehouse, claim, &rows).await;
        }
    }
    for sql in TELLTALES {
        let answer = warehouse.ask(&question(&mine, sql)).await;
        assert!(answer.is_ok(), "{sql}: {answer:?}");
        // Of one shard's rows: a question that fails on another shard breaks a connection off, and the library,
        // unlike a server, may end by that.
        let of_one =
            sql.replace("FROM events", "FROM events_shard").replace("JOIN events", "JOIN events_shard");
        let told = warehouse.ask(&question(&theirs, &of_one)).await.unwrap_err();
        assert!(matches!(told, WarehouseError::Query { .. }), "{sql}: {told}");
    }
    let db = warehouse.database();
    for sql in [
        "SELECT count() FROM events".to_owned(),
        "SELECT count() FROM events_shard".into(),
        "SELECT count() FROM events WHERE app_id = 'mine' OR 1".into(),
        "SELECT countIf(initialQueryID() != '') FROM events".into(),
        "SELECT count() FROM (SELECT * FROM events UNION DISTINCT SELECT * FROM events)".into(),
        "SELECT count() FROM events FINAL".into(),
        format!("SELECT uniqExact(event_id) FROM merge('{db}', '^events')"),
        "SELECT count() FROM events AS a JOIN events AS b ON a.event_id = b.event_id".into(),
    ] {
        match warehouse.ask(&question(&mine, &sql)).await {
            Ok(table) => {
                let count = table.rows[0][0].as_u64().unwrap();
                // The view of one shard has a part of what is mine.
                assert!(count == 40 || (sql.contains("events_shard") && count < 40), "{sql}: {count}");
            }
            Err(WarehouseError::Query { .. }) => {}
            Err(other) => panic!("{sql}: {other}"),
        }
    }
    for sql in [
        "SELECT count() FROM events WHERE app_id = 'theirs'",
        "SELECT countIf(app_id != 'mine') FROM events",
        "SELECT countIf(app_id != 'mine') FROM events_shard",
        "SELECT count() FROM events WHERE app_id = 'theirs' AND actor_id = 'person 1'",
        "SELECT count() FROM events WHERE actor_id IN (SELECT actor_id FROM events WHERE app_id = 'theirs')",
    ] {
        assert_eq!(one(warehouse, &mine, sql).await, json!([0]), "{sql}");
    }
    let name = "suanpan";
    let ports = cluster.node(1).http_url();
    for sql in [
        "SELECT count() FROM events_local".to_owned(),
        "SELECT count() FROM events_all".into(),
        "SELECT count() FROM ledger_all".into(),
        "SELECT count() FROM owners".into(),
        "SELECT joinGet('suanpan.owners', 'writer', toUInt64(110), toUInt32(0))".into(),
        format!("SELECT count() FROM cluster('{name}', '{db}', 'events_local')"),
        format!("SELECT count() FROM clusterAllReplicas('{name}', '{db}', 'events_shard')"),
        format!("SELECT count() FROM remote('{ports}', '{db}', 'events_local')"),
        "SELECT * FROM system.clusters".into(),
        "SELECT count() FROM events SETTINGS distributed_product_mode = 'allow'".into(),
        "SELECT count() FROM events SETTINGS additional_table_filters = {'events_local': '1'}".into(),
        "INSERT INTO events (app_id) VALUES ('mine')".into(),
    ] {
        match warehouse.ask(&question(&mine, &sql)).await {
            Err(WarehouseError::Query { .. } | WarehouseError::Decode { .. }) => {}
            other => panic!("{sql}: {other:?}"),
        }
    }
}

async fn a_lost_partition_is_fenced_on_every_shard(warehouse: &Warehouse) {
    let shop = app("fenced");
    let asleep = warehouse.claim(120, 1).await.unwrap();
    let awake = warehouse.claim(120, 1).await.unwrap();
    for first in [0, 10] {
        // One person each, so that both shards are tried.
        let rows: Vec<_> = (first..first + 10)
            .map(|n| EventRow { actor_id: format!("p{n}").into(), ..row(&shop, n) })
            .collect();
        let refused = warehouse.insert_events(asleep.batch(first, first + 9), &rows).await.unwrap_err();
        assert!(refused.is_fenced(), "{refused}");
        let alone = warehouse.insert_events(asleep.batch(first, first + 9), &rows[9..]).await.unwrap_err();
        assert!(alone.is_fenced(), "{alone}");
        warehouse.insert_events(awake.batch(first, first + 9), &rows).await.unwrap();
    }
    assert_eq!(one(warehouse, &shop, "SELECT count() FROM events").await, json!([20]));
}

async fn migrating_again_changes_nothing(cluster: &TestCluster, warehouse: &Warehouse) {
    assert_eq!(warehouse.migration_plan().await.unwrap(), []);
    // Several processes start at once.
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let engine = Engine::start(cluster.config().clone()).await.unwrap();
        starts.spawn(async move { engine.warehouse().migrate().await });
    }
    while let Some(migrated) = starts.join_next().await {
        migrated.unwrap().unwrap();
    }
    assert_eq!(warehouse.migration_plan().await.unwrap(), []);
    let shop = app("shop");
    assert_eq!(one(warehouse, &shop, "SELECT count() FROM events").await, json!([2400]));

    // A shard that has lost a view gets it again, and that alone is planned.
    cluster.on_shard(1, "DROP VIEW suanpan.events_shard").await;
    let planned = warehouse.migration_plan().await.unwrap();
    assert_eq!(planned.len(), 1, "{planned:?}");
    assert_eq!(planned[0].node, cluster.node(1).http_url());
    warehouse.migrate().await.unwrap();
    assert_eq!(one(warehouse, &shop, "SELECT count() FROM events").await, json!([2400]));
}

async fn what_is_configured_wrongly_is_refused(cluster: &TestCluster) {
    let check = async |shards: String, word: &str| {
        let mut config: EngineConfig = cluster.config().clone();
        config.cluster.as_mut().unwrap().shards = shards.parse().unwrap();
        let refused = Engine::start(config).await.unwrap().warehouse().migrate().await.unwrap_err();
        assert!(refused.to_string().contains(word), "{refused}");
    };
    let (first, second) = (cluster.node(0).http_url(), cluster.node(1).http_url());
    check(format!("{second};{first}"), "in one order").await;
    check(first, "and 1 are configured").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_comes_while_events_are_inserted() {
    let cluster = TestCluster::start(SHARDS).await;
    let warehouse = cluster.warehouse();
    let shop = app("growing");
    let rows: Vec<Vec<_>> = (0..PARTITIONS).map(|partition| rows_of(&shop, partition, 200, 10)).collect();
    let mut writers = tokio::task::JoinSet::new();
    for (partition, rows) in rows.into_iter().enumerate() {
        let warehouse = warehouse.clone();
        writers.spawn(async move {
            let claim = warehouse.claim(130, partition as u32).await.unwrap();
            for batch in rows.chunks(20) {
                let id = claim.batch(batch[0].log_offset, batch[batch.len() - 1].log_offset);
                store_batch(&warehouse, id, batch).await.unwrap();
            }
        });
    }
    // What a later version of the schema would do, shard by shard, and then its start.
    for shard in 0..SHARDS {
        for n in 0..5 {
            let sql = format!(
                "ALTER TABLE suanpan.events_local ADD COLUMN IF NOT EXISTS later_{n} LowCardinality(String)"
            );
            cluster.on_shard(shard, &sql).await;
        }
    }
    warehouse.migrate().await.unwrap();
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    let sql = "SELECT count(), uniqExact(event_id), countIf(later_4 = '') FROM events";
    assert_eq!(one(&warehouse, &shop, sql).await, json!([2000, 2000, 2000]));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_dies_in_the_midst_gets_the_rest_when_it_is_back() {
    let cluster = TestCluster::start(SHARDS).await;
    let warehouse = cluster.warehouse();
    let shop = app("killed");
    // Not placed by partition: each batch has rows for both shards.
    let rows: Vec<_> =
        (0..6_000).map(|n| EventRow { actor_id: format!("p{n}").into(), ..row(&shop, n) }).collect();
    let claim = warehouse.claim(140, 0).await.unwrap();
    let (mut failures, mut kills) = (0, 0);
    for (number, batch) in rows.chunks(200).enumerate() {
        if number % 10 == 5 {
            // The shard may die before, while, or after it takes its rows.
            let victim = Pid::from_raw(process_of(&cluster, 1).await);
            kills += 1;
            let pause = Duration::from_millis(rand::random_range(0..15));
            tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                kill(victim, Signal::SIGKILL).unwrap();
            });
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..15))).await;
        }
        let id = claim.batch(batch[0].log_offset, batch[batch.len() - 1].log_offset);
        // As the pipeline does: what is not stored is sent again.
        let mut rest = batch.to_vec();
        while let Err(failed) = store_batch(&warehouse, id, &rest).await {
            assert!(failed.is_retryable(), "{failed}");
            failures += 1;
            until("the shard is back", async || warehouse.end_inserts(140, 0).await.is_ok()).await;
            let stored = warehouse.stored_offsets(140, 0, id.first).await.unwrap();
            rest = batch.iter().filter(|row| !stored.contains(row.log_offset)).cloned().collect();
            if rest.is_empty() {
                rest = batch.to_vec();
            }
        }
    }
    assert!(kills == 3 && failures > 0, "{kills} kills, {failures} failures");
    let sql = "SELECT count(), uniqExact(event_id), uniqExact(log_offset) FROM events";
    until("both shards answer", async || warehouse.ask(&question(&shop, sql)).await.is_ok()).await;
    assert_eq!(one(&warehouse, &shop, sql).await, json!([6000, 6000, 6000]));
    cluster.stop().await;
}

/// The process of a shard's engine, which changes as it is started anew.
async fn process_of(cluster: &TestCluster, shard: usize) -> i32 {
    let port = cluster.node(shard).http_url().rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
    let flag = format!("--http-port\0{port}\0");
    let mut found = None;
    until("the engine runs", async || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        found = numbers.find(|pid| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&flag))
        });
        found.is_some()
    })
    .await;
    found.unwrap()
}
