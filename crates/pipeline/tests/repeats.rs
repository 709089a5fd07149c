//! Ids that come again where it is hard to tell: with another person, or with another time.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod stations;

use stations::{DAY_MS, Stations, now_ms};
use suanpan_event::{Event, place_key};
use suanpan_pipeline::PipelineConfig;
use suanpan_warehouse::testing;
use uuid::Uuid;

const PARTITIONS: u32 = 2;

/// A person whose place is this partition.
fn person(stations: &Stations, partition: u64) -> String {
    let is_there = |user: &String| place_key(&stations.app, user) % u64::from(PARTITIONS) == partition;
    (0..).map(|n| format!("user-{n}")).find(is_there).unwrap()
}

/// As the gateway does with repetitions within one request: all of them come where the first one's place is.
async fn append_where_the_first_is(stations: &Stations, events: &[Event<'_>]) {
    let mut batch = stations.log.batch();
    let key = place_key(&stations.app, events[0].actor_id());
    for event in events {
        batch.push_with(key, |buffer| event.encode_into(buffer));
    }
    stations.log.append(batch).await.unwrap();
}

/// Passes one request for each partition, in which an id comes three times.
async fn pass_requests(stations: &Stations, event_time_ms: i64) {
    for (here, there) in [(0, 1), (1, 0)] {
        let id = Uuid::new_v4();
        let event = |user: String| Event { user_id: user.into(), ..stations.event(id, event_time_ms) };
        let (first, second) = (event(person(stations, here)), event(person(stations, there)));
        append_where_the_first_is(stations, &[first, second.clone(), second]).await;
    }
    stations.pass().await;
}

#[test]
fn an_id_of_two_persons_in_one_request_counts_once() {
    testing::run(async |warehouse| {
        let stations = Stations::with_partitions(warehouse, PARTITIONS).await;
        pass_requests(&stations, now_ms()).await;
        stations.check(2, 4).await;
        // So old that the store is asked.
        pass_requests(&stations, now_ms() - 3 * DAY_MS).await;
        stations.check(4, 8).await;
    });
}

/// The first is stored before the worker sees the second.
#[test]
fn an_id_of_two_persons_counts_once_in_two_batches() {
    testing::run(async |warehouse| {
        let stations = Stations::with_partitions(warehouse, PARTITIONS).await;
        let id = Uuid::new_v4();
        let first = Event { user_id: person(&stations, 0).into(), ..stations.event(id, now_ms()) };
        let second = Event { user_id: person(&stations, 1).into(), ..stations.event(id, now_ms() - 1) };
        let config = PipelineConfig { batch_events_max: 1, batch_events_behind_max: 1, ..Default::default() };
        append_where_the_first_is(&stations, &[first, second]).await;
        stations.start_with(config).finish().await.unwrap();
        stations.check(1, 1).await;
    });
}

/// A gateway corrects a clock by when a request arrives, so a repetition may have a slightly later time. Here the first
/// lies just before what is remembered, and the second in it.
#[test]
fn a_repetition_that_moves_into_the_memory_counts_once() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let id = Uuid::new_v4();
        // A window is cut to whole hours when the memory is made.
        let hour_ms = 3_600_000;
        let horizon_ms = (now_ms() - DAY_MS).div_euclid(hour_ms) * hour_ms;
        let client_time_ms = Some(horizon_ms - 60_000);
        let event = |shift_ms| Event { client_time_ms, ..stations.event(id, horizon_ms + shift_ms) };
        stations.append(&[event(-1_000), event(1_000), event(60_000)]).await;
        stations.pass().await;
        stations.append(&[event(2_000)]).await;
        stations.pass().await;
        stations.check(1, 3).await;
    });
}
