//! How batches are cut: once, and larger while the pipeline is behind.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod stations;

use std::ops::Range;

use stations::{Stations, now_ms};
use suanpan_event::Event;
use suanpan_pipeline::PipelineConfig;
use suanpan_warehouse::testing;
use uuid::Uuid;

/// Events that were received in one minute each, so that the rows of two batches in the ledger never melt together.
fn events(stations: &Stations, count: i64) -> Vec<Event<'static>> {
    let event = |n: i64| Event {
        received_time_ms: now_ms() - n * 60_000,
        ..stations.event(Uuid::new_v4(), now_ms())
    };
    (0..count).map(event).collect()
}

/// Where the batches of the first partition ended.
async fn ends(stations: &Stations) -> Vec<u64> {
    let sql = format!(
        "SELECT DISTINCT next_offset FROM {}.ledger WHERE log_epoch = {} AND app_id = '{}' ORDER BY next_offset",
        stations.warehouse.database(),
        stations.epoch(0).await,
        stations.app
    );
    testing::sql(&stations.warehouse, &sql).await.lines().map(|end| end.parse().unwrap()).collect()
}

/// A worker decides a batch, and dies.
async fn decide_and_die(stations: &Stations, batch: Range<u64>) {
    let mut subscription = stations.log.subscribe().await.unwrap();
    let mut reader = subscription.next().await.unwrap();
    reader.decide(batch).await.unwrap();
}

#[test]
fn a_batch_that_was_decided_is_made_again() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let events = events(&stations, 20);
        stations.append(&events[..10]).await;
        decide_and_die(&stations, 0..7).await;
        stations.append(&events[10..]).await;
        stations.pass().await;
        assert_eq!(ends(&stations).await, [7, 20]);
        stations.check(20, 0).await;
    });
}

#[test]
fn a_decision_that_does_not_follow_the_commit_is_none() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        stations.append(&events(&stations, 10)).await;
        decide_and_die(&stations, 3..5).await;
        stations.pass().await;
        assert_eq!(ends(&stations).await, [10]);
        stations.check(10, 0).await;
    });
}

#[test]
fn batches_grow_while_there_is_more() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let events = events(&stations, 203);
        stations.append(&events[..200]).await;
        let config =
            PipelineConfig { batch_events_max: 10, batch_events_behind_max: 50, ..PipelineConfig::default() };
        stations.start_with(config.clone()).finish().await.unwrap();
        assert_eq!(ends(&stations).await, [10, 30, 70, 120, 170, 200]);
        stations.check(200, 0).await;

        let few_bytes = PipelineConfig { batch_bytes_max: 1, ..config };
        stations.append(&events[200..]).await;
        stations.start_with(few_bytes).finish().await.unwrap();
        assert_eq!(ends(&stations).await[6..], [201, 202, 203]);
    });
}
