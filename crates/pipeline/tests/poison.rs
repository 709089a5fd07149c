//! Events that ClickHouse refuses, by a constraint that a test adds to the table.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod stations;

use std::time::Duration;

use stations::{DAY_MS, Stations, now_ms, until};
use suanpan_event::Event;
use suanpan_pipeline::PipelineConfig;
use suanpan_warehouse::testing::{self, TestEngine};
use suanpan_warehouse::{DeadLetterFilter, StoredDead, Warehouse};
use uuid::Uuid;

struct Poisoned {
    stations: Stations,
}

impl Poisoned {
    async fn new(warehouse: Warehouse) -> Self {
        let poisoned = Self { stations: Stations::new(warehouse).await };
        let condition = format!("app_id != '{}' OR NOT startsWith(event, 'poison')", poisoned.stations.app);
        poisoned.alter(&format!("ADD CONSTRAINT {} CHECK {condition}", poisoned.constraint())).await;
        poisoned
    }

    fn constraint(&self) -> String {
        format!("no_poison_{}", self.stations.app.as_str().replace('-', "_"))
    }

    async fn mend(&self) {
        self.alter(&format!("DROP CONSTRAINT {}", self.constraint())).await;
    }

    async fn alter(&self, change: &str) {
        let warehouse = &self.stations.warehouse;
        let sql = format!("ALTER TABLE {}.events_local {change}", warehouse.database());
        testing::sql(warehouse, &sql).await;
    }

    fn good(&self, count: usize) -> Vec<Event<'static>> {
        (0..count).map(|_| self.stations.event(Uuid::new_v4(), now_ms())).collect()
    }

    fn poison(&self) -> Event<'static> {
        Event { event: "poison".into(), ..self.stations.event(Uuid::new_v4(), now_ms()) }
    }

    async fn dead(&self) -> Vec<StoredDead> {
        let all = DeadLetterFilter::default();
        self.stations.warehouse.dead_letter(&self.stations.app, &all, None, 1_000).await.unwrap()
    }

    async fn check(&self, stored: u64, rejected: u64) {
        self.stations.check(stored, 0).await;
        assert_eq!(self.stations.outcome("rejected").await, rejected);
        assert_eq!(self.dead().await.len() as u64, rejected);
    }
}

#[test]
fn a_refused_event_stands_alone_in_the_dead_letter() {
    testing::run(async |warehouse| {
        let test = Poisoned::new(warehouse).await;
        let client_time_ms = Some(now_ms() - 9_000);
        let poison = Event { client_time_ms, session_id: "s1".into(), ..test.poison() };
        let mut events = test.good(40);
        events.insert(17, poison.clone());
        test.stations.append(&events).await;
        test.stations.pass().await;
        test.check(40, 1).await;
        let totals = test.stations.warehouse.outcome_totals(&test.stations.app).await.unwrap();
        assert!(
            totals.iter().any(|t| (t.outcome.as_str(), t.code.as_str()) == ("rejected", "store_refused"))
        );

        let dead =
            test.stations.warehouse.dead_event(&test.stations.app, poison.event_id).await.unwrap().unwrap();
        assert_eq!(dead.code, "store_refused");
        assert!(dead.message.contains(&test.constraint()), "{}", dead.message);
        let record = Event::decode(dead.raw.as_bytes()).unwrap();
        assert_eq!((record.event_id, record.session_id.as_ref()), (poison.event_id, "s1"));

        // A replay, once the table is mended, appends it again under its id.
        test.mend().await;
        test.stations.append(&[poison]).await;
        test.stations.pass().await;
        assert_eq!(
            (test.stations.outcome("stored").await, test.stations.outcome("duplicate").await),
            (41, 0)
        );
    });
}

#[test]
fn many_refused_events_among_many_days_leave_the_others_alone() {
    testing::run(async |warehouse| {
        let test = Poisoned::new(warehouse).await;
        let event = |n: i64| {
            let mut event =
                if n % 23 == 5 || (60..70).contains(&n) { test.poison() } else { test.good(1).remove(0) };
            event.event_time_ms -= (n % 450) * DAY_MS;
            event
        };
        let events: Vec<_> = (0..460).map(event).collect();
        let poison = events.iter().filter(|event| event.event == "poison").count() as u64;
        test.stations.append(&events).await;
        test.stations.pass().await;
        test.check(460 - poison, poison).await;
    });
}

#[test]
fn a_refused_event_that_comes_alone_is_buried_too() {
    testing::run(async |warehouse| {
        let test = Poisoned::new(warehouse).await;
        for _ in 0..3 {
            test.stations.append(&[test.poison()]).await;
            test.stations.pass().await;
        }
        test.check(0, 3).await;
    });
}

/// How often the engine found a constraint violated.
async fn violations(warehouse: &Warehouse) -> u64 {
    let sql = "SELECT sum(value) FROM system.errors WHERE code = 469";
    testing::sql(warehouse, sql).await.trim().parse().unwrap()
}

/// The table refuses everything: nothing is buried beyond the bound, whether the events come all at once or one by one.
#[test]
fn a_broken_table_does_not_drain_the_log() {
    testing::run(async |_shared| {
        // Of its own, so that what it refuses is ours.
        let engine = TestEngine::start().await;
        for (count, batch_events_max, within) in [(300, 1_000, 0), (130, 10, 100)] {
            let test = Poisoned::new(engine.warehouse()).await;
            let events: Vec<_> = (0..count).map(|_| test.poison()).collect();
            test.stations.append(&events).await;
            let config = PipelineConfig {
                batch_events_max,
                batch_events_behind_max: batch_events_max,
                retry_pause_ms_max: 200,
                ..PipelineConfig::default()
            };
            let before = violations(&engine.warehouse()).await;
            let running = test.stations.start_with(config);
            // More than it takes to reach the bound.
            let tried = async || violations(&engine.warehouse()).await >= before + 400;
            until("it tries again", tried).await;
            assert_eq!(test.dead().await.len(), within);
            test.mend().await;
            test.stations.all_committed().await;
            running.finish().await.unwrap();
            test.check((count - within) as u64, within as u64).await;
        }
        engine.stop().await;
    });
}

/// The pipeline dies while it bisects, again and again.
#[test]
fn deaths_while_bisecting_leave_nothing_missing_or_twice() {
    testing::run(async |warehouse| {
        let test = Poisoned::new(warehouse).await;
        let (mut sent, mut poison) = (0, 0);
        for n in 0..12_u64 {
            let mut events = test.good(60);
            for at in [3, 30, 31, 59] {
                events[at] = test.poison();
            }
            test.stations.append(&events).await;
            (sent, poison) = (sent + 56, poison + 4);
            let running = test.stations.start();
            tokio::time::sleep(Duration::from_millis(150 + n * 53 % 400)).await;
            running.die(&test.stations).await;
        }
        test.stations.pass().await;
        test.check(sent, poison).await;
    });
}
