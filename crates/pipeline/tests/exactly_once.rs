//! The pipeline between a real log, a real catalog and a real ClickHouse.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod stations;

use stations::{DAY_MS, Stations, now_ms, open_log, row};
use suanpan_catalog::NewAttribute;
use suanpan_event::{AppId, AttributeType, Event};
use suanpan_pipeline::{PipelineConfig, PipelineError};
use suanpan_warehouse::{EventRow, Warehouse, testing};
use uuid::Uuid;

#[test]
fn events_become_rows_with_their_slots_filled() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        for (name, kind) in [("channel", AttributeType::String), ("amount", AttributeType::Number)] {
            let new = NewAttribute::new(name, kind);
            stations.catalog.define_attribute(&stations.app, new).await.unwrap();
        }
        let id = Uuid::new_v4();
        stations.append(&[stations.event(id, now_ms())]).await;
        stations.pass().await;
        stations.check(1, 0).await;
        assert_eq!(stations.ask("toString(event_id)").await, [id.to_string()]);
        assert_eq!(stations.ask("actor_id").await, ["u1"]);
        assert_eq!(stations.ask("cat_01").await, ["email"]);
        assert_eq!(stations.ask("num_01").await, [12.5]);
        assert_eq!(stations.ask("slot_map").await, [2]);
        assert_eq!(stations.ask("content").await, [r#"{"channel":"email","amount":12.5}"#]);
        assert_eq!(stations.committed().await, 1);
    });
}

#[test]
fn an_id_counts_once_recent_or_old_in_one_batch_or_in_another_life() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let recent = stations.event(Uuid::new_v4(), now_ms());
        let old = stations.event(Uuid::new_v4(), now_ms() - 400 * DAY_MS);
        stations.append(&[recent.clone(), old.clone(), recent.clone(), old.clone()]).await;
        stations.pass().await;
        stations.check(2, 2).await;
        // A new pipeline knows the recent one from its memory, rebuilt, and the old one from the store.
        stations.append(&[old, recent]).await;
        stations.pass().await;
        stations.check(2, 4).await;
    });
}

#[test]
fn a_memory_that_is_too_small_makes_look_ups_not_doubles() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let events: Vec<_> =
            (0..50).map(|n| stations.event(Uuid::new_v4(), now_ms() - n * 3_600_000 / 3)).collect();
        let config = PipelineConfig { dedupe_ids_max: 7, batch_events_max: 10, ..PipelineConfig::default() };
        stations.append(&events).await;
        stations.append(&events).await;
        stations.start_with(config).finish().await.unwrap();
        stations.check(50, 50).await;
    });
}

/// The worst moment to die: events are written, in part, and their ledger row is not.
#[test]
fn what_was_written_before_a_crash_is_skipped_and_counted() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let events: Vec<_> = (0..10).map(|_| stations.event(Uuid::new_v4(), now_ms())).collect();
        stations.append(&events).await;
        let rows: Vec<EventRow<'_>> =
            (0..10).filter(|n| n % 3 != 1).map(|n| row(&events[n], n as u64)).collect();
        let batch = stations.batch(0, 9).await;
        stations.warehouse.insert_events(batch, &rows).await.unwrap();

        stations.pass().await;
        stations.check(10, 0).await;
        stations.pass().await;
        stations.check(10, 0).await;
        assert_eq!(stations.committed().await, 10);
    });
}

#[test]
fn a_record_that_is_no_event_is_counted_and_the_rest_goes_on() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        stations.append(&[stations.event(Uuid::new_v4(), now_ms())]).await;
        let mut garbage = stations.log.batch();
        garbage.push(0, b"garbage");
        stations.log.append(garbage).await.unwrap();
        stations.append(&[stations.event(Uuid::new_v4(), now_ms())]).await;
        let before = unreadable(&stations.warehouse).await;
        stations.pass().await;
        stations.check(2, 0).await;
        assert_eq!(unreadable(&stations.warehouse).await, before + 1);
    });
}

async fn unreadable(warehouse: &Warehouse) -> u64 {
    let totals = warehouse.outcome_totals(&AppId::unknown()).await.unwrap();
    totals.iter().filter(|t| t.code == "unreadable").map(|t| t.events).sum()
}

#[test]
fn a_log_that_lost_stored_records_is_refused() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        stations.append(&[stations.event(Uuid::new_v4(), now_ms())]).await;
        let ahead = stations.batch(0, 7).await;
        stations.warehouse.insert_ledger(ahead, &[]).await.unwrap();
        let error = stations.start().finish().await.unwrap_err();
        assert!(matches!(error, PipelineError::LogBehind { partition: 0, end: 1, stored: 8 }), "{error}");
    });
}

#[test]
fn a_wiped_log_starts_again_without_losing_or_doubling() {
    testing::run(async |warehouse| {
        let mut stations = Stations::new(warehouse).await;
        let first = stations.event(Uuid::new_v4(), now_ms());
        stations.append(std::slice::from_ref(&first)).await;
        stations.pass().await;
        // Offsets start again from 0, so only the epoch tells the new log's rows from the old one's.
        stations.log = open_log(&stations.folder, "new-log", 1);
        stations.append(&[stations.event(Uuid::new_v4(), now_ms()), first]).await;
        stations.pass().await;
        stations.check(2, 1).await;
    });
}

#[test]
fn events_are_stored_while_the_pipeline_runs() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let running = stations.start();
        for _ in 0..5 {
            stations.append(&[stations.event(Uuid::new_v4(), now_ms())]).await;
            stations.all_committed().await;
        }
        running.finish().await.unwrap();
        stations.check(5, 0).await;
    });
}

#[test]
fn a_batch_over_more_days_than_one_insert_takes_is_stored_once() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let days = 450;
        let events: Vec<_> =
            (0..days).map(|n| stations.event(Uuid::new_v4(), now_ms() - (40 + n) * DAY_MS)).collect();
        stations.append(&events).await;
        stations.append(&events[..20]).await;
        stations.pass().await;
        stations.check(days.unsigned_abs(), 20).await;
    });
}

/// A clock's correction differs by the network's delay each time an event is sent.
#[test]
fn a_corrected_event_counts_once_though_its_correction_differs() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let id = Uuid::new_v4();
        let client_time_ms = now_ms() - 13 * DAY_MS;
        let sent = |delay_ms: i64| Event {
            client_time_ms: Some(client_time_ms),
            ..stations.event(id, now_ms() - 8 * DAY_MS + delay_ms)
        };
        stations.append(&[sent(0)]).await;
        stations.pass().await;
        stations.append(&[sent(1_700)]).await;
        stations.pass().await;
        stations.check(1, 1).await;
    });
}
