//! A real log, catalog and ClickHouse with a pipeline between them. Each file of tests uses some of it.
#![allow(dead_code, clippy::unwrap_used, reason = "a failed expectation is a test's result")]

use std::borrow::Cow;

use serde_json::value::RawValue;
use suanpan_catalog::{Catalog, NewApp};
use suanpan_event::{AppId, DeadEvent, Event, Origin};
use suanpan_log::{LogConfig, RecordBatch, SegmentLog};
use suanpan_pipeline::{Pipeline, PipelineConfig, PipelineError};
use suanpan_warehouse::{AskLimits, AskRequest, EventRow, Warehouse, Watermarks};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub const DAY_MS: i64 = 86_400_000;

pub struct Stations {
    pub folder: TempDir,
    pub log: SegmentLog,
    pub catalog: Catalog,
    pub warehouse: Warehouse,
    pub app: AppId,
}

impl Stations {
    pub async fn new(warehouse: Warehouse) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).await.unwrap();
        let app: AppId = format!("app-{}", Uuid::new_v4()).parse().unwrap();
        let new = NewApp { id: app.clone(), title: "Test".into(), time_zone: "UTC".into() };
        catalog.create_app(new).await.unwrap();
        let log = SegmentLog::open(LogConfig::new(folder.path().join("log"))).unwrap();
        Self { folder, log, catalog, warehouse, app }
    }

    pub async fn append(&self, events: &[Event<'_>]) {
        let mut batch = RecordBatch::new();
        for event in events {
            batch.push_with(|buffer| event.encode_into(buffer));
        }
        self.log.append(batch).await.unwrap();
    }

    pub async fn append_dead(&self, dead: &[DeadEvent<'_>]) {
        let mut batch = RecordBatch::new();
        for dead in dead {
            batch.push_with(|buffer| dead.encode_into(buffer));
        }
        self.log.append(batch).await.unwrap();
    }

    /// What the gateway refused.
    pub fn dead(&self, id: Uuid) -> DeadEvent<'static> {
        DeadEvent {
            app_id: self.app.clone(),
            id,
            received_time_ms: now_ms(),
            format: "native".into(),
            code: "missing".into(),
            field: "event".into(),
            message: "every event needs a name".into(),
            event: "".into(),
            user_id: "u1".into(),
            device_id: "".into(),
            raw: r#"{"user_id":"u1"}"#.into(),
            draft: "".into(),
            is_replayable: true,
            clock_correction_ms: None,
            may_report_old: false,
            origin: Origin::default(),
        }
    }

    pub fn start(&self) -> Running {
        self.start_with(PipelineConfig { batch_age_ms: 20, ..PipelineConfig::default() })
    }

    pub fn start_with(&self, config: PipelineConfig) -> Running {
        let stations = (self.warehouse.clone(), Watermarks::new());
        let pipeline = Pipeline::new(self.log.clone(), self.catalog.clone(), stations, config);
        let (stop, stopped) = watch::channel(false);
        Running { task: tokio::spawn(pipeline.run(stopped)), stop }
    }

    /// Runs a pipeline until it has read the log to its end.
    pub async fn pass(&self) {
        self.start().finish().await.unwrap();
    }

    pub fn event(&self, id: Uuid, event_time_ms: i64) -> Event<'static> {
        let properties = r#"{"channel":"email","amount":12.5}"#.to_owned();
        Event {
            app_id: self.app.clone(),
            event_id: id,
            event: "purchase".into(),
            event_time_ms,
            client_time_ms: None,
            received_time_ms: now_ms(),
            user_id: "u1".into(),
            device_id: "".into(),
            session_id: "".into(),
            platform: "web".into(),
            app_version: "".into(),
            library: "".into(),
            linked_id: "".into(),
            origin: Origin::default(),
            properties: Cow::Owned(RawValue::from_string(properties).unwrap()),
        }
    }

    /// The first column of a question's rows.
    pub async fn ask(&self, select: &str) -> Vec<serde_json::Value> {
        let request = AskRequest {
            app: self.app.clone(),
            sql: format!("SELECT {select} FROM events WHERE app_id = {{app:String}}"),
            params: vec![("app".into(), self.app.to_string())],
            limits: AskLimits::default(),
        };
        let table = self.warehouse.ask(&request).await.unwrap();
        table.rows.into_iter().map(|mut row| row.remove(0)).collect()
    }

    pub async fn outcome(&self, name: &str) -> u64 {
        let totals = self.warehouse.outcome_totals(&self.app).await.unwrap();
        totals.iter().filter(|t| t.outcome == name).map(|t| t.events).sum()
    }

    pub async fn check(&self, stored: u64, duplicate: u64) {
        assert_eq!(self.ask("count()").await, [stored]);
        assert_eq!(self.ask("uniqExact(event_id)").await, [stored]);
        assert_eq!((self.outcome("stored").await, self.outcome("duplicate").await), (stored, duplicate));
    }
}

pub struct Running {
    pub task: JoinHandle<Result<(), PipelineError>>,
    pub stop: watch::Sender<bool>,
}

impl Running {
    pub async fn finish(self) -> Result<(), PipelineError> {
        self.stop.send_replace(true);
        self.task.await.unwrap()
    }
}

pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The event's row, as the pipeline makes it.
pub fn row<'a>(event: &'a Event<'_>, offset: u64) -> EventRow<'a> {
    EventRow {
        app_id: event.app_id.clone(),
        event: Cow::Borrowed(&event.event),
        event_time_ms: event.event_time_ms,
        received_time_ms: event.received_time_ms,
        client_time_ms: None,
        event_id: event.event_id,
        actor_id: "u1".into(),
        user_id: "u1".into(),
        device_id: "".into(),
        session_id: "".into(),
        platform: "web".into(),
        app_version: "".into(),
        library: "".into(),
        linked_id: event.linked_id.to_string().into(),
        origin: Origin::default(),
        content: event.properties.get().into(),
        slot_map: 0,
        log_offset: offset,
        slots: Vec::new(),
    }
}
