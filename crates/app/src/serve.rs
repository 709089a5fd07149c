//! Wires the stations of this process's roles together and runs them until told to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use suanpan_accounts::{Accounts, AccountsConfig};
use suanpan_answers::Answers;
use suanpan_catalog::Catalog;
use suanpan_gateway::{Gateway, GatewayParts, LiveHub, Origins, system_clock};
use suanpan_log::{EmbeddedLog, EventLog, KafkaLog, LogConfig, LogError};
use suanpan_pipeline::{Pipeline, PipelineError};
use suanpan_server::{AdminToken, Api, Asking, MetricsHandle, Router, Served};
use suanpan_warehouse::{ChildCommand, Engine, EngineConfig, Warehouse, Watermarks};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::config::{Config, LogKind};
use crate::roles::Role;
use crate::{duties, folders, secrets};

/// How long the start waits to learn whether log and warehouse fit together.
const CHECK_WITHIN: Duration = Duration::from_secs(15);
/// How often a process looks for what others have stored and removed.
const FOLLOW_PERIOD: Duration = Duration::from_secs(1);

/// How long what runs beside the stations may take to end when it is told to.
const BESIDE_ENDS_WITHIN: Duration = Duration::from_secs(2);

/// A process that does what its roles say.
pub struct Server {
    config: Config,
    listener: TcpListener,
    router: Router,
    gateway: Option<Gateway>,
    pipeline: Option<JoinHandle<Result<(), PipelineError>>>,
    /// What runs beside, and ends with the process.
    beside: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    log: Option<Arc<dyn EventLog>>,
    engine: Option<Engine>,
}

impl Server {
    /// Opens everything. On return, events that come are accepted, where that is one of the roles.
    ///
    /// # Errors
    /// The port or the data folder is taken, the disk can't be written, or no engine is there;
    /// the message says what to do.
    pub async fn start(config: Config, metrics: MetricsHandle) -> Result<Self> {
        // First of all, since a taken port is the likeliest mistake and the cheapest to find.
        let listener = suanpan_server::bind(&config.server).await?;
        let data_dir = folders::data(&config.storage.data_dir)?;
        let admin = admin_token(&config, &data_dir)?;
        let catalog = open_catalog(&config, &data_dir).await?;
        let log = open_log(&config, &data_dir, &catalog).await?;
        let engine = start_engine(&config, &data_dir).await?;
        let (stop, stopped) = watch::channel(false);
        let mut stations = Stations { config, data_dir, catalog, log, engine, beside: Vec::new(), stopped };
        let warehouse = stations.warehouse();
        let watermarks = Watermarks::new();
        let pipeline = stations.start_pipeline(&watermarks).await?;
        let gateway = stations.open_gateway().await?;
        let served = stations.serve(admin, gateway.clone(), watermarks);
        let Stations { config, log, engine, beside, .. } = stations;
        let served = Served { warehouse, ..served };
        let router = suanpan_server::router(served, metrics, &config.server);
        Ok(Self { config, listener, router, gateway, pipeline, beside, stop, log, engine })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().context("can't tell the address that is listened on")
    }

    /// Serves until `stop`, then ends in the order of the journey: no more requests, the log read
    /// to its end, the engine closed. A signal that comes meanwhile ends it at once.
    ///
    /// # Errors
    /// The pipeline ended by itself, or the end was not waited for: then the process must end as
    /// well, and the engine's child follows it.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<()> {
        let (stopping, begun) = oneshot::channel::<()>();
        let live = self.gateway.as_ref().map(|gateway| gateway.live().clone());
        let stop = async move {
            stop.await;
            // Those who watch would hold the stop up for as long as running requests may.
            if let Some(live) = live {
                live.close();
            }
            let _run_is_over = stopping.send(());
        };
        let asked_again = async move {
            // The sender is dropped when the server stops of its own accord.
            let _begun_or_dropped = begun.await;
            asked_to_stop().await;
        };
        tokio::select! {
            ended = self.run_to_the_end(stop) => ended,
            () = asked_again => bail!("stopped at once; the log keeps what is not stored yet"),
        }
    }

    async fn run_to_the_end(mut self, stop: impl Future<Output = ()>) -> Result<()> {
        let serving = suanpan_server::serve(self.listener, self.router, &self.config.server, stop);
        let ended_early = tokio::select! {
            () = serving => None,
            ended = ended(&mut self.pipeline) => Some(ended),
        };
        tracing::info!("stopping: what was acknowledged is being stored");
        self.stop.send_replace(true);
        let ended = match (ended_early, self.pipeline) {
            (Some(ended), _) => ended,
            (None, Some(pipeline)) => pipeline.await,
            (None, None) => Ok(Ok(())),
        };
        if let Some(gateway) = self.gateway
            && let Err(error) = gateway.close().await
        {
            tracing::warn!(%error, "the last second's events are not counted towards quotas");
        }
        for mut task in self.beside {
            if tokio::time::timeout(BESIDE_ENDS_WITHIN, &mut task).await.is_err() {
                task.abort();
            }
        }
        if let Some(log) = self.log {
            log.close().await;
        }
        if let Some(engine) = self.engine {
            engine.stop().await;
        }
        match ended.context("the pipeline panicked")? {
            // The next start stores what is left: nothing to complain about.
            Err(PipelineError::Stopped) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The end of a pipeline; never, where there is none.
async fn ended(
    pipeline: &mut Option<JoinHandle<Result<(), PipelineError>>>,
) -> Result<Result<(), PipelineError>, tokio::task::JoinError> {
    match pipeline {
        Some(pipeline) => pipeline.await,
        None => std::future::pending().await,
    }
}

/// The stations, while they are put together.
struct Stations {
    config: Config,
    data_dir: PathBuf,
    catalog: Catalog,
    log: Option<Arc<dyn EventLog>>,
    engine: Option<Engine>,
    beside: Vec<JoinHandle<()>>,
    stopped: watch::Receiver<bool>,
}

impl Stations {
    fn has(&self, role: Role) -> bool {
        self.config.roles.has(role)
    }

    fn warehouse(&self) -> Option<Warehouse> {
        self.engine.as_ref().map(Engine::warehouse)
    }

    /// The log, which is open where a role needs it.
    fn log(&self) -> Arc<dyn EventLog> {
        Arc::clone(self.log.as_ref().expect("every role that asks for it opens it"))
    }

    async fn start_pipeline(
        &mut self,
        watermarks: &Watermarks,
    ) -> Result<Option<JoinHandle<Result<(), PipelineError>>>> {
        let Some(warehouse) = self.warehouse() else { return Ok(None) };
        let has_tables = match warehouse.migrate().await {
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "the warehouse is away; events are accepted and wait in the log");
                false
            }
            migrated => migrated.map(|()| true)?,
        };
        if !self.has(Role::Pipeline) || self.config.log_kind == LogKind::Kafka {
            self.follow_others(warehouse.clone(), watermarks.clone());
        }
        if !self.has(Role::Pipeline) {
            return Ok(None);
        }
        let pipeline = Pipeline::new(
            self.log(),
            self.catalog.clone(),
            (warehouse, watermarks.clone()),
            self.config.pipeline.clone(),
        );
        let stopped = self.stopped.clone();
        if has_tables {
            // A log that is behind the warehouse must not accept events. Should the warehouse go away
            // just now, accepting goes on all the same, and the pipeline finds out later.
            match tokio::time::timeout(CHECK_WITHIN, pipeline.check(&stopped)).await {
                // Brokers that are away are waited for like the warehouse: partition by partition.
                Ok(Err(PipelineError::Log(error @ LogError::Unavailable { .. }))) => {
                    tracing::warn!(%error, "the log is slow to say where it ends")
                }
                Ok(checked) => checked?,
                Err(_elapsed) => {
                    tracing::warn!("the warehouse is slow to say where to go on; events wait in the log")
                }
            }
        }
        Ok(Some(tokio::spawn(async move {
            if !has_tables {
                pipeline.wait_for_tables(&stopped).await?;
            }
            pipeline.run(stopped).await
        })))
    }

    /// Learns what other processes store and remove, so that no cached answer outlives it.
    fn follow_others(&mut self, warehouse: Warehouse, watermarks: Watermarks) {
        let mut stopped = self.stopped.clone();
        self.beside.push(tokio::spawn(async move {
            tokio::select! {
                () = warehouse.follow(&watermarks, FOLLOW_PERIOD) => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        }));
    }

    async fn open_gateway(&self) -> Result<Option<Gateway>> {
        if !self.config.roles.need_gateway() {
            return Ok(None);
        }
        let origins = Origins::new(&self.config.origins)?;
        origins.keep_fresh();
        let parts = GatewayParts {
            origins,
            live: LiveHub::new(self.config.live.clone()),
            ..GatewayParts::new(self.catalog.clone(), self.log(), self.config.gateway.clone(), system_clock())
        };
        Ok(Some(Gateway::open(parts).await?))
    }

    /// What is served, and the duties of the watch.
    fn serve(&mut self, admin: AdminToken, gateway: Option<Gateway>, watermarks: Watermarks) -> Served {
        let reporting = gateway.clone().filter(|_| self.has(Role::Gateway));
        let access = (self.catalog.clone(), admin.clone());
        let mut served = Served { access, gateway: reporting, asking: None, managing: None, warehouse: None };
        let Some(warehouse) = self.warehouse() else { return served };
        let answers = Answers::new(
            self.catalog.clone(),
            warehouse.clone(),
            watermarks.clone(),
            self.config.rules.clone(),
            self.config.answers.clone(),
        );
        if self.has(Role::Answers) {
            served.asking = Some(Asking::new((self.catalog.clone(), admin.clone()), answers.clone()));
        }
        if self.log.is_some() && (self.has(Role::Server) || self.has(Role::Watch)) {
            let accounts = Accounts::new(
                self.catalog.clone(),
                self.log(),
                warehouse.clone(),
                watermarks,
                accounts_config(&self.config, &self.data_dir),
            );
            if self.has(Role::Watch) {
                let watch = duties::run(self.catalog.clone(), accounts.clone(), self.stopped.clone());
                self.beside.push(tokio::spawn(watch));
            }
            served.managing = gateway.filter(|_| self.has(Role::Server)).map(|gateway| {
                let bounds = self.config.pipeline.clone();
                let api = Api::new(
                    (self.catalog.clone(), admin),
                    answers,
                    (warehouse, bounds),
                    self.log(),
                    accounts,
                );
                (api, gateway)
            });
        }
        served
    }
}

fn admin_token(config: &Config, data_dir: &Path) -> Result<AdminToken> {
    match &config.storage.admin_token {
        Some(token) => Ok(AdminToken::new(token.expose())),
        None => Ok(AdminToken::new(&secrets::admin_token(data_dir)?)),
    }
}

/// The catalog: a file of the data folder, or a PostgreSQL.
pub async fn open_catalog(config: &Config, data_dir: &Path) -> Result<Catalog> {
    let limits = config.catalog.clone();
    Ok(match &config.catalog_url {
        Some(url) => Catalog::open_url(url.expose(), limits).await?,
        None => Catalog::open_with_limits(&catalog_file(data_dir), limits).await?,
    })
}

/// The catalog's file in a data folder.
pub fn catalog_file(data_dir: &Path) -> PathBuf {
    data_dir.join("catalog.sqlite")
}

async fn open_log(config: &Config, data_dir: &Path, catalog: &Catalog) -> Result<Option<Arc<dyn EventLog>>> {
    if !config.roles.need_log() {
        return Ok(None);
    }
    if config.log_kind == LogKind::Kafka {
        return Ok(Some(Arc::new(KafkaLog::open(config.kafka.clone()).await?)));
    }
    let log = EmbeddedLog::open(LogConfig { dir: folders::log(data_dir)?, ..config.log.clone() })?;
    // The log is ours alone from here on, so whoever ran these replays has ended.
    let interrupted = catalog.interrupt_all_replays().await?;
    if interrupted > 0 {
        tracing::info!(interrupted, "replays of refused events were interrupted; they can go on");
    }
    Ok(Some(Arc::new(log)))
}

async fn start_engine(config: &Config, data_dir: &Path) -> Result<Option<Engine>> {
    if !config.roles.need_warehouse() {
        return Ok(None);
    }
    Ok(Some(Engine::start(engine_config(config, data_dir)?).await?))
}

/// The engine's configuration, with what follows from the rest.
pub fn engine_config(config: &Config, data_dir: &Path) -> Result<EngineConfig> {
    let program = std::env::current_exe().context("can't tell which program this is")?;
    Ok(EngineConfig {
        backups_dir: Some(accounts_config(config, data_dir).backups_dir),
        data_dir: data_dir.join("engine"),
        ask_limits_max: config.answers.query,
        child_command: Some(ChildCommand { program, args: vec!["engine-child".to_owned()] }),
        ..config.warehouse.clone()
    })
}

/// How the accounts are kept, with what follows from the data folder.
pub fn accounts_config(config: &Config, data_dir: &Path) -> AccountsConfig {
    let backups_dir = config.accounts_backups_dir.clone().unwrap_or_else(|| data_dir.join("backups"));
    AccountsConfig { backups_dir, ..config.accounts.clone() }
}

/// Ready when the process is asked to end: Ctrl-C or SIGTERM.
pub async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
        tracing::error!(
            "can't listen for signals; the server ends only by kill -9, which loses nothing either"
        );
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
