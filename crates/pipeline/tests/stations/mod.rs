//! A real log, catalog and ClickHouse with a pipeline between them. Each file of tests uses some of it.
#![allow(dead_code, clippy::unwrap_used, reason = "a failed expectation is a test's result")]

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use suanpan_catalog::{Catalog, NewApp};
use suanpan_event::{AppId, DeadEvent, Event, Origin, place_key};
use suanpan_log::{EmbeddedLog, EventLog, LogConfig};
use suanpan_pipeline::{Pipeline, PipelineConfig, PipelineError};
use suanpan_warehouse::{AskLimits, AskRequest, BatchId, EventRow, Warehouse, Watermarks};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub const DAY_MS: i64 = 86_400_000;

pub struct Stations {
    pub folder: TempDir,
    pub log: Arc<dyn EventLog>,
    pub catalog: Catalog,
    pub warehouse: Warehouse,
    pub app: AppId,
}

impl Stations {
    pub async fn new(warehouse: Warehouse) -> Self {
        Self::with_partitions(warehouse, 1).await
    }

    pub async fn with_partitions(warehouse: Warehouse, partitions: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).await.unwrap();
        let app: AppId = format!("app-{}", Uuid::new_v4()).parse().unwrap();
        let new = NewApp { id: app.clone(), title: "Test".into(), time_zone: "UTC".into() };
        catalog.create_app(new).await.unwrap();
        let log = open_log(&folder, "log", partitions);
        Self { folder, log, catalog, warehouse, app }
    }

    /// The epoch of a partition.
    pub async fn epoch(&self, partition: usize) -> u64 {
        self.log.positions().await.unwrap()[partition].epoch
    }

    /// A batch of the first partition that nobody claimed.
    pub async fn batch(&self, first: u64, last: u64) -> BatchId {
        BatchId { epoch: self.epoch(0).await, partition: 0, first, last, writer: 0 }
    }

    /// How many records are committed.
    pub async fn committed(&self) -> u64 {
        self.log.positions().await.unwrap().iter().map(|position| position.committed).sum()
    }

    /// How many records there are.
    pub async fn end(&self) -> u64 {
        self.log.positions().await.unwrap().iter().map(|position| position.end_offset).sum()
    }

    /// Waits until all that was appended is committed.
    pub async fn all_committed(&self) {
        let end = self.end().await;
        until("everything is committed", async || self.committed().await >= end).await;
    }

    pub async fn append(&self, events: &[Event<'_>]) {
        let mut batch = self.log.batch();
        for event in events {
            let key = place_key(&event.app_id, event.actor_id());
            batch.push_with(key, |buffer| event.encode_into(buffer));
        }
        self.log.append(batch).await.unwrap();
    }

    pub async fn append_dead(&self, dead: &[DeadEvent<'_>]) {
        let mut batch = self.log.batch();
        for dead in dead {
            batch.push_with(place_key(&dead.app_id, &dead.user_id), |buffer| dead.encode_into(buffer));
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
        let pipeline = Pipeline::new(Arc::clone(&self.log), self.catalog.clone(), stations, config);
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

pub fn open_log(folder: &TempDir, name: &str, partitions: u32) -> Arc<dyn EventLog> {
    let config = LogConfig { partitions, ..LogConfig::new(folder.path().join(name)) };
    Arc::new(EmbeddedLog::open(config).unwrap())
}

/// Waits for what must come.
pub async fn until(what: &str, mut has_come: impl AsyncFnMut() -> bool) {
    let waited = Instant::now();
    while !has_come().await {
        assert!(waited.elapsed() < Duration::from_secs(60), "{what}: it does not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub struct Running {
    pub task: JoinHandle<Result<(), PipelineError>>,
    pub stop: watch::Sender<bool>,
}

impl Running {
    /// Drops the pipeline wherever it is, its statements still running.
    pub async fn die(self, stations: &Stations) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
        until("its workers are gone", async || stations.log.subscribe().await.is_ok()).await;
        // What it sent last is by then known to the engine, as it is when a process has started anew.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

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
