//! Two real replicas of a shard, of which one dies while events come in.
//!
//! The servers are Debian's ClickHouse of 2018 with ZooKeeper: the only ones with replication that can be had by
//! package managers. They do not know tokens: they know a block again by its content, which is the same for the
//! same rows. Nor do they know constraints, so that claims are tested on the engine of today alone.

#![allow(clippy::unwrap_used)]

mod adapter;
#[path = "../fixture/mod.rs"]
mod fixture;
mod tables;

use std::time::{Duration, Instant};

use adapter::Adapter;
use fixture::{DAY_MS, MARCH_MS, app, row};
use suanpan_event::AppId;
use suanpan_parts::OldClickHouse;
use suanpan_warehouse::{
    BatchId, ClusterConfig, Engine, EngineConfig, EventRow, LedgerEntry, ShardAddresses, Warehouse,
    WarehouseError, testing,
};

const EPOCH: u64 = 9;
const BATCHES: u64 = 60;
const BATCH_ROWS: u64 = 120;

/// Two replicas, each behind its adapter.
struct Replicas {
    servers: OldClickHouse,
    adapters: [Adapter; 2],
}

impl Replicas {
    async fn start() -> Self {
        let servers = tokio::task::spawn_blocking(|| OldClickHouse::start(2)).await.unwrap();
        let adapters =
            [Adapter::before(servers.http_port(1)).await, Adapter::before(servers.http_port(2)).await];
        Self { servers, adapters }
    }

    fn config(&self) -> EngineConfig {
        let urls = self.adapters.iter().map(Adapter::url).collect();
        let cluster =
            ClusterConfig { shards: ShardAddresses::new(vec![urls]).unwrap(), ..ClusterConfig::default() };
        EngineConfig { cluster: Some(cluster), user: Some("default".into()), ..EngineConfig::default() }
    }

    /// Ends a replica by `kill -9`, and with it its place on the network.
    fn kill(&mut self, replica: u8) {
        self.servers.kill(replica);
        self.adapters[usize::from(replica) - 1].vanish();
    }

    async fn restart(&mut self, replica: u8) {
        tokio::task::block_in_place(|| self.servers.restart(replica));
        self.adapters[usize::from(replica) - 1].listen().await;
    }

    /// What a replica itself says.
    async fn says(&self, replica: u8, sql: &str) -> Result<String, String> {
        let url = format!("http://127.0.0.1:{}/", self.servers.http_port(replica));
        let response = reqwest::Client::new().post(url).body(sql.to_owned()).send().await;
        let response = response.map_err(|error| format!("{error:?}"))?;
        let (status, text) =
            (response.status(), response.text().await.map_err(|error| format!("{error:?}"))?);
        if status.is_success() { Ok(text) } else { Err(text) }
    }
}

fn rows_of(app: &AppId, batch: u64) -> Vec<EventRow<'static>> {
    let offsets = batch * BATCH_ROWS..(batch + 1) * BATCH_ROWS;
    // Each batch is three blocks, since it touches three days.
    let day = |offset: u64| MARCH_MS + (offset % 3) as i64 * DAY_MS + offset as i64 * 1000;
    offsets.map(|offset| EventRow { event_time_ms: day(offset), ..row(app, offset) }).collect()
}

async fn store(
    warehouse: &Warehouse,
    id: BatchId,
    rows: &[EventRow<'static>],
    events: u64,
) -> Result<(), WarehouseError> {
    warehouse.insert_events(id, rows).await?;
    let entry = LedgerEntry {
        app_id: "shop".parse().unwrap(),
        minute_ms: MARCH_MS,
        outcome: "stored",
        code: "".into(),
        events,
    };
    warehouse.insert_ledger(id, &[entry]).await
}

/// Stores a batch as the pipeline does: after a failed try, what is not stored is sent again.
async fn store_batch(warehouse: &Warehouse, app: &AppId, batch: u64) {
    let rows = rows_of(app, batch);
    let (first, last) = (batch * BATCH_ROWS, (batch + 1) * BATCH_ROWS - 1);
    let id = BatchId { epoch: EPOCH, partition: 0, first, last, writer: 0 };
    let mut rest = rows.clone();
    let begun = Instant::now();
    while let Err(failed) = store(warehouse, id, &rest, BATCH_ROWS).await {
        assert!(failed.is_retryable(), "{failed}");
        assert!(begun.elapsed() < Duration::from_secs(120), "{failed}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        if warehouse.end_inserts(EPOCH, 0).await.is_ok()
            && let Ok(stored) = warehouse.stored_offsets(EPOCH, 0, first).await
        {
            rest = rows.iter().filter(|row| !stored.contains(row.log_offset)).cloned().collect();
        }
    }
}

async fn make_tables(replicas: &Replicas) {
    let statements = testing::statements_on_cluster(&replicas.config());
    let reduced: Vec<String> = statements.iter().filter_map(|sql| tables::reduced(sql)).collect();
    let made = reduced
        .iter()
        .filter(|sql| sql.contains("ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/"));
    assert_eq!(made.count(), 2, "{reduced:?}");
    for sql in reduced {
        let done = replicas.says(1, &sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_killed_catches_up() {
    let mut replicas = Replicas::start().await;
    // Nothing is asked yet; what servers of today would be asked first, the old ones do not understand.
    let warehouse = Engine::start(replicas.config()).await.unwrap().warehouse();
    make_tables(&replicas).await;
    let shop = app("shop");
    let mut stored_meanwhile = 0;
    for batch in 0..BATCHES {
        match batch {
            // Either may be the one in use: each dies once, in the midst of a batch, and misses ten.
            15 | 35 => {
                let victim = if batch == 15 { 1 } else { 2 };
                let writer = tokio::spawn({
                    let (warehouse, shop) = (warehouse.clone(), shop.clone());
                    async move { store_batch(&warehouse, &shop, batch).await }
                });
                tokio::time::sleep(Duration::from_millis(rand::random_range(0..25))).await;
                replicas.kill(victim);
                writer.await.unwrap();
            }
            25 | 45 => {
                stored_meanwhile = warehouse.committed(EPOCH, 0).await.unwrap();
                assert!(stored_meanwhile > (batch - 9) * BATCH_ROWS, "{stored_meanwhile}");
                replicas.restart(if batch == 25 { 1 } else { 2 }).await;
                // What the one lacks, only the other has: it must be there before that one may die.
                caught_up(&replicas).await;
                store_batch(&warehouse, &shop, batch).await;
            }
            _ => store_batch(&warehouse, &shop, batch).await,
        }
    }
    assert!(stored_meanwhile > 0);
    for adapter in &replicas.adapters {
        assert!(adapter.inserts() > BATCHES / 2, "a replica took {} INSERTs", adapter.inserts());
    }
    // Sent again after all: whichever replica takes it knows it.
    for batch in [0, 14, 15, 16, 34, 35, BATCHES - 1] {
        store_batch(&warehouse, &shop, batch).await;
    }

    caught_up(&replicas).await;
    let sums = "SELECT count(), uniqExact(log_offset), sum(log_offset), uniqExact(event_id), uniqExact(report_date) \
                FROM suanpan.events_local";
    let ledger = "SELECT count(), sum(events), max(next_offset) FROM suanpan.ledger_local";
    let all = BATCHES * BATCH_ROWS;
    let sum: u64 = (0..all).sum();
    for replica in [1, 2] {
        assert_eq!(replicas.says(replica, sums).await.unwrap(), format!("{all}\t{all}\t{sum}\t{all}\t3\n"));
        assert_eq!(replicas.says(replica, ledger).await.unwrap(), format!("{BATCHES}\t{all}\t{all}\n"));
    }
}

/// Waits until each replica has what the other has.
async fn caught_up(replicas: &Replicas) {
    for replica in [1, 2] {
        for table in ["events_local", "ledger_local"] {
            let begun = Instant::now();
            let sync = format!("SYSTEM SYNC REPLICA suanpan.{table}");
            // A replica that was killed waits for its old session to end before it takes part again.
            while let Err(error) = replicas.says(replica, &sync).await {
                assert!(begun.elapsed() < Duration::from_secs(60), "{error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
