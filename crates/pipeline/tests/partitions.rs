//! Several partitions, and several workers that each believe a partition to be theirs.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod stations;

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use stations::{DAY_MS, Stations, now_ms, open_log, row, until};
use suanpan_event::{Event, place_key};
use suanpan_log::{
    Entry, EventLog, LogError, LogReader, PartitionPosition, PartitionReader, PartitionedBatch, Subscription,
};
use suanpan_pipeline::PipelineConfig;
use suanpan_warehouse::testing;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use uuid::Uuid;

/// Events of many people, half of them recent.
fn events(stations: &Stations, count: i64) -> Vec<Event<'static>> {
    let event = |n: i64| Event {
        user_id: format!("user-{n}").into(),
        ..stations.event(Uuid::new_v4(), now_ms() - n % 2 * 3 * DAY_MS - n)
    };
    (0..count).map(event).collect()
}

#[test]
fn all_partitions_are_worked_on() {
    testing::run(async |warehouse| {
        let stations = Stations::with_partitions(warehouse, 5).await;
        let events = events(&stations, 200);
        stations.append(&events).await;
        let running = stations.start();
        stations.all_committed().await;
        stations.append(&events[..70]).await;
        running.finish().await.unwrap();
        stations.check(200, 70).await;
        assert_eq!(stations.ask("uniqExact(log_partition)").await, [5]);
        assert_eq!(stations.committed().await, 270);
    });
}

/// Fewer batches at once than partitions only makes them wait for each other.
#[test]
fn partitions_take_turns() {
    testing::run(async |warehouse| {
        let stations = Stations::with_partitions(warehouse, 4).await;
        let config = PipelineConfig { batches_at_once_max: 1, batch_age_ms: 1, ..PipelineConfig::default() };
        let running = stations.start_with(config);
        for _ in 0..5 {
            stations.append(&events(&stations, 40)).await;
        }
        running.finish().await.unwrap();
        stations.check(200, 0).await;
    });
}

#[test]
fn an_event_counts_once_though_the_number_of_partitions_changes() {
    testing::run(async |warehouse| {
        let mut stations = Stations::with_partitions(warehouse, 1).await;
        let events = events(&stations, 100);
        stations.append(&events).await;
        stations.pass().await;
        for partitions in [4, 3] {
            stations.log.close().await;
            // The last reader lets go of the log a moment after the close.
            stations.log = open_log(&stations.folder, "other", 1);
            stations.log = open_log(&stations.folder, "log", partitions);
            assert_eq!(stations.log.partitions(), partitions);
            stations.append(&events).await;
            stations.pass().await;
        }
        stations.check(100, 200).await;
    });
}

/// A worker is stopped between deciding a batch and writing it, and goes on after another one has taken over.
#[test]
fn a_worker_that_slept_can_write_nothing() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let events = events(&stations, 10);
        stations.append(&events).await;
        let sleeping = stations.warehouse.claim(stations.epoch(0).await, 0).await.unwrap();
        stations.pass().await;
        let batch = sleeping.batch(0, 9);
        let rows: Vec<_> = (0..).zip(&events).map(|(n, event)| row(event, n)).collect();
        assert!(stations.warehouse.insert_events(batch, &rows).await.unwrap_err().is_fenced());
        assert!(stations.warehouse.insert_ledger(batch, &[]).await.unwrap_err().is_fenced());
        stations.check(10, 0).await;
    });
}

#[test]
fn a_worker_whose_partition_was_claimed_begins_anew() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let running = stations.start();
        let epoch = stations.epoch(0).await;
        for _ in 0..3 {
            let events = events(&stations, 20);
            stations.append(&events).await;
            stations.all_committed().await;
            let other = stations.warehouse.claim(epoch, 0).await.unwrap();
            // The other one gets so far as to write a part of what it has read.
            stations.append(&events).await;
            let fresh = stations.event(Uuid::new_v4(), now_ms());
            stations.append(std::slice::from_ref(&fresh)).await;
            let last = stations.end().await - 1;
            let _fenced_or_stored =
                stations.warehouse.insert_events(other.batch(last, last), &[row(&fresh, last)]).await;
            stations.all_committed().await;
        }
        running.finish().await.unwrap();
        stations.check(63, 60).await;
    });
}

/// A real log whose partition belongs to everybody who asks, as it may seem for a moment when a cluster gives it
/// to another process.
#[derive(Debug)]
struct Contested {
    log: Arc<dyn EventLog>,
    decided: Arc<Mutex<Option<Range<u64>>>>,
}

struct ContestedSubscription {
    log: Arc<dyn EventLog>,
    decided: Arc<Mutex<Option<Range<u64>>>>,
    /// Held by the reader.
    turn: Arc<Semaphore>,
}

struct ContestedReader {
    epoch: u64,
    reader: tokio::sync::Mutex<Box<dyn LogReader>>,
    decided: Arc<Mutex<Option<Range<u64>>>>,
    never: watch::Sender<bool>,
    _turn: OwnedSemaphorePermit,
}

#[async_trait]
impl EventLog for Contested {
    fn partitions(&self) -> u32 {
        1
    }

    async fn append(&self, batch: PartitionedBatch) -> Result<(), LogError> {
        self.log.append(batch).await
    }

    async fn subscribe(&self) -> Result<Box<dyn Subscription>, LogError> {
        let (log, decided) = (Arc::clone(&self.log), Arc::clone(&self.decided));
        Ok(Box::new(ContestedSubscription { log, decided, turn: Arc::new(Semaphore::new(1)) }))
    }

    async fn positions(&self) -> Result<Vec<PartitionPosition>, LogError> {
        self.log.positions().await
    }

    async fn look(&self, partition: u32, from_offset: u64) -> Result<Box<dyn LogReader>, LogError> {
        self.log.look(partition, from_offset).await
    }

    async fn forget(&self, below: &[(u32, u64)]) -> Result<(), LogError> {
        self.log.forget(below).await
    }

    async fn close(&self) {
        self.log.close().await;
    }
}

#[async_trait]
impl Subscription for ContestedSubscription {
    async fn next(&mut self) -> Result<Box<dyn PartitionReader>, LogError> {
        let turn = Arc::clone(&self.turn).acquire_owned().await.expect("it is never closed");
        let (reader, decided) = (self.log.look(0, 0).await?, Arc::clone(&self.decided));
        let (epoch, reader) = (reader.epoch(), tokio::sync::Mutex::new(reader));
        Ok(Box::new(ContestedReader {
            epoch,
            reader,
            decided,
            never: watch::Sender::new(false),
            _turn: turn,
        }))
    }
}

#[async_trait]
impl LogReader for ContestedReader {
    fn partition(&self) -> u32 {
        0
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    async fn position(&self) -> Result<PartitionPosition, LogError> {
        self.reader.lock().await.position().await
    }

    fn seek(&mut self, offset: u64) {
        self.reader.get_mut().seek(offset);
    }

    async fn next_batch(
        &mut self,
        records_max: usize,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Vec<Entry>, LogError> {
        self.reader.get_mut().next_batch(records_max, bytes_max, wait).await
    }
}

#[async_trait]
impl PartitionReader for ContestedReader {
    fn decided(&self) -> Option<Range<u64>> {
        self.decided.lock().unwrap().clone()
    }

    async fn decide(&mut self, batch: Range<u64>) -> Result<(), LogError> {
        *self.decided.lock().unwrap() = Some(batch);
        Ok(())
    }

    async fn commit(&mut self, _next_offset: u64) -> Result<(), LogError> {
        Ok(())
    }

    fn revoked(&self) -> watch::Receiver<bool> {
        self.never.subscribe()
    }
}

#[test]
fn two_pipelines_that_both_own_a_partition_count_everything_once() {
    testing::run(async |warehouse| {
        let mut stations = Stations::new(warehouse).await;
        let log = Contested { log: Arc::clone(&stations.log), decided: Arc::default() };
        stations.log = Arc::new(log);
        let epoch = stations.epoch(0).await;
        let config = PipelineConfig {
            batch_events_max: 10,
            batch_age_ms: 1,
            retry_pause_ms_max: 300,
            ..PipelineConfig::default()
        };
        let first = stations.start_with(config.clone());
        let second = stations.start_with(config);
        let mut sent = Vec::new();
        for n in 0..30 {
            let mut events = events(&stations, 20);
            // Some were sent before.
            events.truncate(20 - n % 3);
            stations.append(&events).await;
            stations.append(&events[..5]).await;
            sent.extend(events);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        let end = stations.end().await;
        until("all is in the ledger", async || stations.warehouse.committed(epoch, 0).await.unwrap() >= end)
            .await;
        // Whichever is fenced off at the end has nothing left to do.
        let _ended = (first.finish().await, second.finish().await);
        stations.check(sent.len() as u64, 150).await;
        let names = stations.warehouse.learnt(&stations.app).await.unwrap();
        assert_eq!(names[0].events, sent.len() as u64);
    });
}

/// The gateway puts a repeated id beside its first event, though it may name another person: then it lies in a
/// partition that is not that person's.
#[test]
fn an_id_under_two_people_counts_once() {
    testing::run(async |warehouse| {
        let stations = Stations::with_partitions(warehouse, 4).await;
        for event_time_ms in [now_ms(), now_ms() - 9 * DAY_MS] {
            for n in 0..10 {
                let first = Event {
                    user_id: format!("user-{n}").into(),
                    ..stations.event(Uuid::new_v4(), event_time_ms)
                };
                let again = Event { user_id: format!("other-{n}").into(), ..first.clone() };
                let mut batch = stations.log.batch();
                for event in [&first, &again] {
                    let place = place_key(&stations.app, first.actor_id());
                    batch.push_with(place, |buffer| event.encode_into(buffer));
                }
                stations.log.append(batch).await.unwrap();
            }
        }
        stations.pass().await;
        stations.check(20, 20).await;
    });
}
