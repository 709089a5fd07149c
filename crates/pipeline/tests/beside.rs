//! What the pipeline keeps beside the events, through crashes between any two of its writes.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod stations;

use std::time::Duration;

use stations::{DAY_MS, Stations, now_ms, row};
use suanpan_event::{AppId, DeadEvent, Event};
use suanpan_pipeline::{DeadLetterConfig, LearningConfig, PipelineConfig, PipelineError};
use suanpan_warehouse::{
    BatchId, DeadLetterFilter, EventRow, Learnt, LearntTypes, NewLearnt, NewLink, testing,
};
use uuid::Uuid;

impl Stations {
    async fn dead_ids(&self) -> Vec<Uuid> {
        let all = DeadLetterFilter::default();
        let found = self.warehouse.dead_letter(&self.app, &all, None, 1_000).await.unwrap();
        let mut ids: Vec<Uuid> = found.iter().map(|dead| dead.id).collect();
        ids.sort_unstable();
        ids
    }

    /// Event, attribute, count.
    async fn learnt(&self) -> Vec<(String, String, u64)> {
        let learnt = self.warehouse.learnt(&self.app).await.unwrap();
        learnt.into_iter().map(|Learnt { event, attribute, events, .. }| (event, attribute, events)).collect()
    }

    fn linked(&self, id: Uuid, anonymous: &str) -> Event<'static> {
        Event { linked_id: anonymous.to_owned().into(), ..self.event(id, now_ms()) }
    }
}

#[test]
fn a_refused_event_is_kept_and_counted_with_the_others() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let event = stations.event(Uuid::new_v4(), now_ms());
        stations.append(&[event.clone(), event]).await;
        let id = Uuid::new_v4();
        let again = stations.dead(id);
        let odd = DeadEvent { code: "no such code".into(), ..stations.dead(Uuid::new_v4()) };
        stations.append_dead(&[again.clone(), odd, again]).await;
        stations.pass().await;
        stations.check(1, 1).await;
        assert_eq!(stations.outcome("refused").await, 3);
        let totals = stations.warehouse.outcome_totals(&stations.app).await.unwrap();
        let refused: Vec<_> =
            totals.iter().filter(|t| t.outcome == "refused").map(|t| (t.code.as_str(), t.events)).collect();
        assert_eq!(refused, [("missing", 2), ("other", 1)]);
        assert_eq!(stations.dead_ids().await.len(), 2);
        let kept = stations.warehouse.dead_event(&stations.app, id).await.unwrap().unwrap();
        assert_eq!((kept.code.as_str(), kept.raw.as_str()), ("missing", r#"{"user_id":"u1"}"#));
    });
}

#[test]
fn beyond_the_bound_refused_events_are_counted_and_not_kept() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let yesterday = DeadEvent { received_time_ms: now_ms() - DAY_MS, ..stations.dead(Uuid::new_v4()) };
        let bound = DeadLetterConfig { events_per_app_per_day_max: 3, ..DeadLetterConfig::default() };
        let config = PipelineConfig { dead_letter: bound, ..PipelineConfig::default() };
        for _ in 0..2 {
            let dead: Vec<_> = (0..5).map(|_| stations.dead(Uuid::new_v4())).collect();
            stations.append_dead(&dead).await;
            stations.append_dead(std::slice::from_ref(&yesterday)).await;
            stations.start_with(config.clone()).finish().await.unwrap();
        }
        assert_eq!(stations.dead_ids().await.len(), 4);
        assert_eq!(stations.outcome("refused").await, 12);
    });
}

#[test]
fn links_and_names_are_learnt_from_stored_events() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let first = stations.linked(Uuid::new_v4(), "a1");
        // A link to oneself is none.
        stations.append(&[first.clone(), first.clone(), stations.linked(Uuid::new_v4(), "u1")]).await;
        stations.pass().await;
        stations.append(&[first, stations.event(Uuid::new_v4(), now_ms())]).await;
        stations.pass().await;
        let links = stations.warehouse.links_of(&stations.app, "u1").await.unwrap();
        assert_eq!(links.len(), 1);
        assert_eq!((links[0].from_id.as_str(), links[0].to_id.as_str()), ("a1", "u1"));
        let learnt = stations.warehouse.learnt(&stations.app).await.unwrap();
        let [event, amount, channel] = &learnt[..] else { panic!("{learnt:?}") };
        assert_eq!((event.event.as_str(), event.attribute.as_str(), event.events), ("purchase", "", 3));
        assert_eq!((amount.attribute.as_str(), amount.types), ("amount", LearntTypes::NUMBER));
        assert_eq!((channel.samples.as_slice(), channel.events), (&["email".to_owned()][..], 3));
    });
}

#[test]
fn the_bound_on_names_holds_over_restarts() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let bound = LearningConfig { names_per_app_max: 4, ..LearningConfig::default() };
        let config = PipelineConfig { learning: bound, ..PipelineConfig::default() };
        for _ in 0..2 {
            let named =
                |n: u32| Event { event: format!("e{n}").into(), ..stations.event(Uuid::new_v4(), now_ms()) };
            stations.append(&[named(1)]).await;
            stations.start_with(config.clone()).finish().await.unwrap();
            stations.append(&[named(2), named(3)]).await;
            stations.start_with(config.clone()).finish().await.unwrap();
        }
        let learnt = stations.warehouse.learnt(&stations.app).await.unwrap();
        let (rest, listed) = learnt.split_first().unwrap();
        assert_eq!(listed.len(), 4);
        // Of e2 and e3 one name is listed, and five are not; each came twice.
        assert_eq!((rest.is_unlisted(), rest.unlisted, rest.events), (true, 5, 10));
    });
}

/// Writes of a batch of ten events and refused events that a crash may leave behind, in any order.
struct Halves<'s> {
    stations: &'s Stations,
    batch: BatchId,
    events: Vec<Event<'static>>,
    dead: Vec<DeadEvent<'static>>,
}

impl Halves<'_> {
    async fn write_dead(&self) {
        let rows: Vec<_> = (5..).zip(&self.dead).collect();
        self.stations.warehouse.insert_dead_letter(self.batch, &rows).await.unwrap();
    }

    async fn write_links(&self) {
        let time_ms = self.events[0].event_time_ms;
        let link = |to_id: &str| NewLink {
            app_id: self.stations.app.clone(),
            from_id: "a1".into(),
            to_id: to_id.into(),
            first_seen_ms: time_ms,
            last_seen_ms: time_ms,
        };
        self.stations.warehouse.insert_links(self.batch, &[link("u1")]).await.unwrap();
    }

    async fn write_learnt(&self) {
        let new = |attribute| NewLearnt {
            app_id: self.stations.app.clone(),
            event: "purchase",
            attribute,
            first_seen_ms: now_ms(),
            last_seen_ms: now_ms(),
            events: 5,
            types: 0,
            samples: Vec::new(),
            unlisted: Vec::new(),
        };
        let learnt = [new(""), new("amount"), new("channel")];
        self.stations.warehouse.insert_learnt(self.batch, &learnt).await.unwrap();
    }

    async fn write_events(&self) {
        let rows: Vec<EventRow<'_>> = (0..).zip(&self.events).map(|(n, event)| row(event, n)).collect();
        self.stations.warehouse.insert_events(self.batch, &rows).await.unwrap();
    }
}

/// Whatever of a batch was written when the process died, and however the batches are cut
/// afterwards, everything is there once in the end.
#[test]
fn a_crash_between_any_two_writes_leaves_nothing_missing_or_twice() {
    testing::run(async |warehouse| {
        for (written, cut) in (0..16).flat_map(|written| [(written, 100), (written, 3)]) {
            let stations = Stations::new(warehouse.clone()).await;
            let events: Vec<_> = (0..5).map(|_| stations.linked(Uuid::new_v4(), "a1")).collect();
            let dead: Vec<_> = (0..5).map(|_| stations.dead(Uuid::new_v4())).collect();
            stations.append(&events).await;
            stations.append_dead(&dead).await;
            let batch = stations.batch(0, 9).await;
            let halves = Halves { stations: &stations, batch, events, dead };
            if written & 1 != 0 {
                halves.write_dead().await;
            }
            if written & 2 != 0 {
                halves.write_links().await;
            }
            if written & 4 != 0 {
                halves.write_learnt().await;
            }
            if written & 8 != 0 {
                halves.write_events().await;
            }
            // More came before the next start.
            stations.append(&[stations.linked(Uuid::new_v4(), "a2")]).await;
            let config = PipelineConfig { batch_events_max: cut, ..PipelineConfig::default() };
            stations.start_with(config).finish().await.unwrap();

            stations.check(6, 0).await;
            assert_eq!(stations.outcome("refused").await, 5, "{written} {cut}");
            let mut expected: Vec<Uuid> = halves.dead.iter().map(|dead| dead.id).collect();
            expected.sort_unstable();
            assert_eq!(stations.dead_ids().await, expected, "{written} {cut}");
            let links = stations.warehouse.links_of(&stations.app, "u1").await.unwrap();
            assert_eq!(links.len(), 2, "{written} {cut}");
            let counts = stations.learnt().await;
            let counts: Vec<_> = counts.iter().map(|(_, attribute, n)| (attribute.as_str(), *n)).collect();
            assert_eq!(counts, [("", 6), ("amount", 6), ("channel", 6)], "{written} {cut}");
        }
    });
}

/// The pipeline is dropped at odd moments, its statements still running, again and again.
#[test]
fn a_pipeline_that_dies_again_and_again_counts_everything_once() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let config = PipelineConfig { batch_events_max: 40, batch_age_ms: 1, ..PipelineConfig::default() };
        let (mut sent, mut refused) = (0, 0);
        for n in 0..25_u64 {
            let events: Vec<_> = (0..50).map(|_| stations.linked(Uuid::new_v4(), "a1")).collect();
            let dead: Vec<_> = (0..10).map(|_| stations.dead(Uuid::new_v4())).collect();
            stations.append(&events).await;
            stations.append_dead(&dead).await;
            (sent, refused) = (sent + 50, refused + 10);
            let running = stations.start_with(config.clone());
            tokio::time::sleep(Duration::from_millis(5 + n * 37 % 90)).await;
            running.die(&stations).await;
        }
        stations.pass().await;
        stations.check(sent, 0).await;
        assert_eq!(stations.outcome("refused").await, refused);
        assert_eq!(stations.dead_ids().await.len() as u64, refused);
        let counts = stations.learnt().await;
        assert_eq!(counts.iter().map(|(_, _, n)| *n).collect::<Vec<_>>(), [sent; 3]);
    });
}

#[test]
fn a_log_that_lost_refused_records_is_refused() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        stations.append_dead(&[stations.dead(Uuid::new_v4())]).await;
        let (ahead, batch) = (stations.dead(Uuid::new_v4()), stations.batch(0, 4).await);
        stations.warehouse.insert_dead_letter(batch, &[(4, &ahead)]).await.unwrap();
        let error = stations.start().finish().await.unwrap_err();
        assert!(matches!(error, PipelineError::LogBehind { partition: 0, end: 1, stored: 5 }), "{error}");
    });
}

#[test]
fn apps_are_learnt_apart() {
    testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let other: AppId = format!("other-{}", Uuid::new_v4()).parse().unwrap();
        let theirs = Event { app_id: other.clone(), ..stations.linked(Uuid::new_v4(), "a9") };
        stations.append(&[theirs, stations.event(Uuid::new_v4(), now_ms())]).await;
        stations.pass().await;
        assert_eq!(stations.learnt().await[0].2, 1);
        assert!(stations.warehouse.links_of(&stations.app, "u1").await.unwrap().is_empty());
        assert_eq!(stations.warehouse.links_of(&other, "u1").await.unwrap().len(), 1);
    });
}
