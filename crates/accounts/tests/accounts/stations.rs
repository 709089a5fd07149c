use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use suanpan_accounts::{Accounts, AccountsConfig, AuditLine, AuditRequest, AuditSummary, Difference};
use suanpan_catalog::{Catalog, Lease, NewApp};
use suanpan_event::{AppId, DeadEvent, Event, Origin, place_key};
use suanpan_log::{EmbeddedLog, EventLog, LogConfig};
use suanpan_pipeline::{Pipeline, PipelineConfig};
use suanpan_warehouse::{Engine, EngineConfig, Warehouse, Watermarks, testing};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

pub const DAY_MS: i64 = 86_400_000;

/// An installation of its own.
pub struct Stations {
    pub folder: TempDir,
    pub engine: Engine,
    pub warehouse: Warehouse,
    pub catalog: Catalog,
    pub log: Arc<dyn EventLog>,
    pub accounts: Accounts,
    pub app: AppId,
    stop: watch::Sender<bool>,
    pipeline: JoinHandle<()>,
}

pub async fn engine(folder: &Path, backups: &Path) -> Engine {
    let config = EngineConfig {
        data_dir: folder.join("engine"),
        backups_dir: Some(backups.to_owned()),
        child_command: Some(testing::child_command()),
        use_path_binary: false,
        ..EngineConfig::default()
    };
    Engine::start(config).await.expect("an engine starts; `make engine` fetches it")
}

impl Stations {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path(), &folder.path().join("backups")).await;
        engine.warehouse().migrate().await.unwrap();
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).await.unwrap();
        let app: AppId = "shop".parse().unwrap();
        let new = NewApp { id: app.clone(), title: "Shop".into(), time_zone: "UTC".into() };
        catalog.create_app(new).await.unwrap();
        Self::over(folder, engine, catalog, app).await
    }

    /// A log, pipeline and accounts over tables and catalog that are there.
    pub async fn over(folder: TempDir, engine: Engine, catalog: Catalog, app: AppId) -> Self {
        let warehouse = engine.warehouse();
        let config = LogConfig { partitions: 2, ..LogConfig::new(folder.path().join("log")) };
        let log: Arc<dyn EventLog> = Arc::new(EmbeddedLog::open(config).unwrap());
        let watermarks = Watermarks::new();
        let config = PipelineConfig { batch_age_ms: 10, ..PipelineConfig::default() };
        let stations = (warehouse.clone(), watermarks.clone());
        let pipeline = Pipeline::new(Arc::clone(&log), catalog.clone(), stations, config);
        let (stop, stopped) = watch::channel(false);
        let pipeline = tokio::spawn(async move { pipeline.run(stopped).await.unwrap() });
        let config = accounts_config(folder.path());
        let accounts =
            Accounts::new(catalog.clone(), Arc::clone(&log), warehouse.clone(), watermarks, config);
        Self { folder, engine, warehouse, catalog, log, accounts, app, stop, pipeline }
    }

    /// Accounts as another process has them.
    pub fn accounts_anew(&self) -> Accounts {
        let (catalog, log, warehouse) = (self.catalog.clone(), Arc::clone(&self.log), self.warehouse.clone());
        Accounts::new(catalog, log, warehouse, Watermarks::new(), accounts_config(self.folder.path()))
    }

    /// Ends everything but the folder.
    pub async fn end(self) -> TempDir {
        self.stop.send_replace(true);
        self.log.close().await;
        self.pipeline.await.unwrap();
        self.engine.stop().await;
        self.folder
    }

    pub async fn append(&self, events: &[Event<'_>]) {
        let mut batch = self.log.batch();
        for event in events {
            batch.push_with(place_key(&event.app_id, event.actor_id()), |buffer| event.encode_into(buffer));
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

    /// Waits until everything in the log is stored.
    pub async fn settle(&self) {
        for _ in 0..600 {
            let positions = self.log.positions().await.unwrap();
            if positions.iter().all(|p| p.committed == p.end_offset) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the pipeline did not store everything within 30 s");
    }

    pub fn event(&self, user: &str, event_time_ms: i64) -> Event<'static> {
        let properties = format!(r#"{{"phone":"+86 {user}","amount":12.5}}"#);
        Event {
            app_id: self.app.clone(),
            event_id: Uuid::new_v4(),
            event: "purchase".into(),
            event_time_ms,
            client_time_ms: None,
            received_time_ms: now_ms(),
            user_id: Cow::Owned(user.to_owned()),
            device_id: Cow::Owned(format!("device of {user}")),
            session_id: "".into(),
            platform: "web".into(),
            app_version: "".into(),
            library: "".into(),
            linked_id: "".into(),
            origin: Origin::default(),
            properties: Cow::Owned(RawValue::from_string(properties).unwrap()),
        }
    }

    /// What the gateway refused.
    pub fn dead(&self, user: &str, raw: &str) -> DeadEvent<'static> {
        DeadEvent {
            app_id: self.app.clone(),
            id: Uuid::new_v4(),
            received_time_ms: now_ms(),
            format: "native".into(),
            code: "missing".into(),
            field: "event".into(),
            message: "every event needs a name".into(),
            event: "".into(),
            user_id: Cow::Owned(user.to_owned()),
            device_id: "".into(),
            raw: Cow::Owned(raw.to_owned()),
            draft: "".into(),
            is_replayable: true,
            clock_correction_ms: None,
            may_report_old: false,
            origin: Origin::default(),
        }
    }

    /// Everything of the last and the next day.
    pub async fn audit(&self) -> (AuditSummary, Vec<Difference>) {
        let now = now_ms();
        let request = AuditRequest { from_ms: now - DAY_MS, to_ms: now + DAY_MS, app: None, with_log: true };
        let (lines, mut told) = mpsc::channel(64);
        let listen = tokio::spawn(async move {
            let mut differences = Vec::new();
            while let Some(line) = told.recv().await {
                if let AuditLine::Difference(difference) = line {
                    differences.push(difference);
                }
            }
            differences
        });
        let summary = self.accounts.audit(request, lines).await.unwrap();
        (summary, listen.await.unwrap())
    }

    /// The audit finds no difference.
    pub async fn expect_equal(&self) -> AuditSummary {
        let (summary, differences) = self.audit().await;
        assert_eq!(differences, []);
        assert_eq!(summary.differences, 0);
        assert_eq!(summary.received, summary.accepted + summary.refused);
        summary
    }

    /// Runs rounds of the watch until `done`.
    pub async fn watch_until(&self, done: impl AsyncFn() -> bool) {
        let lease = self.lease().await;
        let (_stop, stopped) = watch::channel(false);
        for _ in 0..100 {
            self.accounts.watch_once(&lease, &stopped).await;
            if done().await {
                lease.release().await.unwrap();
                return;
            }
        }
        panic!("a hundred rounds of the watch did not do it");
    }

    pub async fn lease(&self) -> Lease {
        self.catalog.lease("watch", "test").await
    }

    /// Runs SQL as the owner of the tables, such as what nobody should do.
    pub async fn plant(&self, sql: &str) -> String {
        testing::run_sql(&self.warehouse, sql).await
    }

    pub async fn rows(&self, table: &str) -> u64 {
        let sql = format!("SELECT count() FROM {}.{table}_local FINAL", self.warehouse.database());
        let sql = if table == "events" { sql.replace(" FINAL", "") } else { sql };
        self.plant(&sql).await.trim().parse().unwrap()
    }
}

fn accounts_config(folder: &Path) -> AccountsConfig {
    AccountsConfig { retention_period_s: 0, backups_dir: folder.join("backups"), ..AccountsConfig::default() }
}

pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
