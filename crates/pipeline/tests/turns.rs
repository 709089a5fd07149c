//! Partitions whose part of the store takes nothing, beside others that go on.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod stations;

use stations::{Stations, now_ms, until};
use suanpan_event::Event;
use suanpan_pipeline::PipelineConfig;
use suanpan_warehouse::testing;
use uuid::Uuid;

const PARTITIONS: u32 = 4;
const EVENTS: u64 = 2_000;

async fn alter(stations: &Stations, change: &str) {
    let sql = format!("ALTER TABLE {}.events_local {change}", stations.warehouse.database());
    testing::sql(&stations.warehouse, &sql).await;
}

/// How many records of the last partition are committed, and how many there are.
async fn last(stations: &Stations) -> (u64, u64) {
    let positions = stations.log.positions().await.unwrap();
    let last = positions.last().unwrap();
    (last.committed, last.end_offset)
}

#[test]
fn partitions_that_wait_for_the_store_hold_no_turn_for_ever() {
    testing::run(async |warehouse| {
        let stations = Stations::with_partitions(warehouse, PARTITIONS).await;
        let constraint = format!("away_{}", stations.app.as_str().replace('-', "_"));
        let taken = format!("app_id != '{}' OR log_partition = {}", stations.app, PARTITIONS - 1);
        alter(&stations, &format!("ADD CONSTRAINT {constraint} CHECK {taken}")).await;
        let config = PipelineConfig {
            batches_at_once_max: 1,
            retry_pause_ms_max: 200,
            batch_age_ms: 1,
            ..PipelineConfig::default()
        };
        let running = stations.start_with(config);
        // So many that the store is taken to be unwell, and not the events.
        let events: Vec<_> = (0..EVENTS)
            .map(|n| Event {
                user_id: format!("user-{n}").into(),
                ..stations.event(Uuid::new_v4(), now_ms())
            })
            .collect();
        for part in events.chunks(1_000) {
            stations.append(part).await;
            until("the partition that can goes on", async || {
                let (committed, end) = last(&stations).await;
                committed >= end
            })
            .await;
        }
        let (stored, _) = last(&stations).await;
        assert!(stored > 0);
        assert_eq!(stations.ask("count()").await, [stored]);
        alter(&stations, &format!("DROP CONSTRAINT {constraint}")).await;
        stations.all_committed().await;
        running.finish().await.unwrap();
        stations.check(EVENTS, 0).await;
        assert_eq!(stations.outcome("rejected").await, 0);
    });
}
