//! Asking over a real ClickHouse: what is cached, for how long, and for whom.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

use std::time::Duration;

use suanpan_answers::{Answered, Answers, AnswersConfig, AskError, CacheUse};
use suanpan_catalog::{Catalog, NewApp, NewAttribute};
use suanpan_event::{AppId, AttributeType, Origin, Slot, SlotFamily, report_date};
use suanpan_rules::{Rule, RuleLimits, parse};
use suanpan_warehouse::{
    AskLimits, BatchId, EventRow, SlotValue, Warehouse, WarehouseError, Watermarks, testing,
};
use tempfile::TempDir;
use uuid::Uuid;

/// 2026-03-01T12:00:00Z
const THEN_MS: i64 = 1_772_366_400_000;
const CLOSED: &str = r#"{"from":"2026-03-01","to":"2026-03-02"}"#;
const OPEN: &str = r#"{"last":2,"unit":"day"}"#;

struct Asking {
    _folder: TempDir,
    catalog: Catalog,
    warehouse: Warehouse,
    watermarks: Watermarks,
    answers: Answers,
    app: AppId,
}

impl Asking {
    async fn new(warehouse: Warehouse, config: AnswersConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).await.unwrap();
        let app: AppId = format!("app-{}", Uuid::new_v4()).parse().unwrap();
        let new = NewApp { id: app.clone(), title: "Test".into(), time_zone: "UTC".into() };
        catalog.create_app(new).await.unwrap();
        let watermarks = Watermarks::new();
        let limits = RuleLimits::default();
        let answers = Answers::new(catalog.clone(), warehouse.clone(), watermarks.clone(), limits, config);
        Self { _folder: folder, catalog, warehouse, watermarks, answers, app }
    }

    /// Stores events as the pipeline does: a batch, then the mark.
    async fn store(&self, count: u64, event_time_ms: i64, slot_map: u32) {
        let row = |offset: u64| EventRow {
            app_id: self.app.clone(),
            event: "purchase".into(),
            event_time_ms,
            received_time_ms: event_time_ms,
            client_time_ms: None,
            event_id: Uuid::new_v4(),
            actor_id: format!("person-{offset}").into(),
            user_id: "".into(),
            device_id: "".into(),
            session_id: "".into(),
            platform: "web".into(),
            app_version: "".into(),
            library: "".into(),
            linked_id: "".into(),
            origin: Origin::default(),
            content: r#"{"amount":2.5}"#.into(),
            slot_map,
            log_offset: offset,
            slots: if slot_map == 0 {
                Vec::new()
            } else {
                vec![(Slot::new(SlotFamily::Number, 1).unwrap(), SlotValue::Number(2.5))]
            },
        };
        let rows: Vec<EventRow<'_>> = (0..count).map(row).collect();
        let batch = BatchId { epoch: rand_epoch(), partition: 0, first: 0, last: count - 1, writer: 0 };
        self.warehouse.insert_events(batch, &rows).await.unwrap();
        self.watermarks.bump(&self.app, [report_date(event_time_ms)], event_time_ms);
    }

    async fn ask(&self, rule: &Rule) -> Answered {
        self.answers.ask(&self.app, rule).await.unwrap()
    }
}

fn rand_epoch() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}

fn count(range: &str) -> Rule {
    parse(&format!(r#"{{"version":1,"kind":"trend","measures":[{{"measure":"events"}}],"range":{range}}}"#))
        .unwrap()
}

fn total(answered: &Answered) -> f64 {
    answered.answer.series[0].total[0].as_ref().and_then(|n| n.as_f64()).unwrap()
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[test]
fn a_closed_range_is_kept_until_late_data_arrives_in_it() {
    testing::run(async |warehouse| {
        let asking = Asking::new(warehouse, AnswersConfig::default()).await;
        asking.store(3, THEN_MS, 0).await;
        let rule = count(CLOSED);
        let first = asking.ask(&rule).await;
        assert_eq!((total(&first), first.cache), (3.0, CacheUse::Miss));
        assert_eq!(asking.ask(&rule).await.cache, CacheUse::Hit);
        // Another day's events leave it alone.
        asking.store(5, THEN_MS + 20 * 86_400_000, 0).await;
        assert_eq!(asking.ask(&rule).await.cache, CacheUse::Hit);
        asking.store(1, THEN_MS, 0).await;
        let late = asking.ask(&rule).await;
        assert_eq!((total(&late), late.cache), (4.0, CacheUse::Miss));
        assert_eq!(late.as_of_ms, Some(THEN_MS + 20 * 86_400_000));
    });
}

#[test]
fn an_open_range_may_be_stale_for_a_moment_and_says_so() {
    testing::run(async |warehouse| {
        let config = AnswersConfig { serve_stale_ms: 300, ..AnswersConfig::default() };
        let asking = Asking::new(warehouse, config).await;
        asking.store(1, now_ms(), 0).await;
        let rule = count(OPEN);
        assert_eq!(total(&asking.ask(&rule).await), 1.0);
        asking.store(1, now_ms(), 0).await;
        let stale = asking.ask(&rule).await;
        // A slow machine may have let the moment pass; then the answer is new.
        assert!(
            matches!((stale.cache, total(&stale)), (CacheUse::Stale, 1.0) | (CacheUse::Miss, 2.0)),
            "{stale:?}"
        );
        tokio::time::sleep(Duration::from_millis(350)).await;
        let fresh = asking.ask(&rule).await;
        assert_eq!((total(&fresh), fresh.cache == CacheUse::Stale), (2.0, false));
    });
}

#[test]
fn never_stale_when_so_configured() {
    testing::run(async |warehouse| {
        let config = AnswersConfig { serve_stale_ms: 0, ..AnswersConfig::default() };
        let asking = Asking::new(warehouse, config).await;
        for n in 1..=4 {
            asking.store(1, now_ms(), 0).await;
            let answered = asking.ask(&count(OPEN)).await;
            assert_eq!((total(&answered), answered.cache), (f64::from(n), CacheUse::Miss));
        }
    });
}

#[test]
fn concurrent_askers_share_one_query() {
    testing::run(async |warehouse| {
        let asking = Asking::new(warehouse, AnswersConfig::default()).await;
        asking.store(3, THEN_MS, 0).await;
        let rule = count(CLOSED);
        let mut askers = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (answers, app, rule) = (asking.answers.clone(), asking.app.clone(), rule.clone());
            askers.spawn(async move { answers.ask(&app, &rule).await.unwrap().cache });
        }
        let uses = askers.join_all().await;
        assert_eq!(uses.iter().filter(|cache| **cache == CacheUse::Miss).count(), 1, "{uses:?}");
    });
}

#[test]
fn a_changed_plan_is_another_question() {
    testing::run(async |warehouse| {
        let asking = Asking::new(warehouse, AnswersConfig::default()).await;
        asking.store(2, THEN_MS, 0).await;
        let define = async |kind| {
            let new = NewAttribute::new("amount", kind);
            asking.catalog.define_attribute(&asking.app, new).await.unwrap()
        };
        let rule = parse(&format!(
            r#"{{"version":1,"kind":"trend","measures":[{{"measure":"distinct","attribute":"amount"}}],"range":{CLOSED}}}"#
        ))
        .unwrap();
        define(AttributeType::Number).await;
        assert_eq!(total(&asking.ask(&rule).await), 1.0);
        // As a boolean, 2.5 does not count as set.
        define(AttributeType::Boolean).await;
        let again = asking.ask(&rule).await;
        assert_eq!((total(&again), again.cache), (0.0, CacheUse::Miss));
    });
}

#[test]
fn rows_from_before_a_slot_are_read_from_json() {
    testing::run(async |warehouse| {
        let asking = Asking::new(warehouse, AnswersConfig::default()).await;
        asking.store(2, THEN_MS, 0).await;
        let new = NewAttribute::new("amount", AttributeType::Number);
        asking.catalog.define_attribute(&asking.app, new).await.unwrap();
        asking.store(3, THEN_MS, 1).await;
        let rule = parse(&format!(
            r#"{{"version":1,"kind":"trend","measures":[{{"measure":"sum","attribute":"amount"}}],"range":{CLOSED}}}"#
        ))
        .unwrap();
        assert_eq!(total(&asking.ask(&rule).await), 12.5);
        let explained = asking.answers.explain(&asking.app, &rule).await.unwrap();
        assert!(!explained.slots[0].covered && explained.slots[0].slot.is_some(), "{explained:?}");
        assert!(explained.rows_to_read >= 5, "{explained:?}");
    });
}

#[test]
fn an_app_sees_its_own_events_alone() {
    testing::run(async |warehouse| {
        let mine = Asking::new(warehouse.clone(), AnswersConfig::default()).await;
        let other = Asking::new(warehouse, AnswersConfig::default()).await;
        mine.store(2, THEN_MS, 0).await;
        other.store(7, THEN_MS, 0).await;
        assert_eq!(total(&mine.ask(&count(CLOSED)).await), 2.0);
        let unknown = mine.answers.ask(&other.app, &count(CLOSED)).await.unwrap_err();
        assert!(matches!(unknown, AskError::UnknownApp(_)), "{unknown}");
    });
}

#[test]
fn a_limit_of_the_warehouse_is_an_error_that_names_it() {
    testing::run(async |warehouse| {
        let query = AskLimits { rows_to_read: 5, ..AskLimits::default() };
        let asking = Asking::new(warehouse, AnswersConfig { query, ..AnswersConfig::default() }).await;
        asking.store(100, THEN_MS, 0).await;
        let error = asking.answers.ask(&asking.app, &count(CLOSED)).await.unwrap_err();
        let AskError::Warehouse(error) = error else { panic!("{error}") };
        assert!(matches!(*error, WarehouseError::RowLimit { limit: 5 }), "{error}");
    });
}
