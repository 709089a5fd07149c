//! Wires the stations together and runs them until told to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use suanpan_answers::Answers;
use suanpan_catalog::Catalog;
use suanpan_gateway::{Gateway, GatewayParts, LiveHub, Origins, system_clock};
use suanpan_log::{LogConfig, SegmentLog};
use suanpan_pipeline::{Pipeline, PipelineError};
use suanpan_server::{AdminToken, Api, MetricsHandle, Router};
use suanpan_warehouse::{ChildCommand, Engine, EngineConfig, Watermarks};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::{folders, secrets};

/// How long the start waits to learn where the last life ended.
const PREPARE_WITHIN: Duration = Duration::from_secs(15);

/// A server that accepts events and answers questions.
pub struct Server {
    config: Config,
    listener: TcpListener,
    router: Router,
    gateway: Gateway,
    pipeline: JoinHandle<Result<(), PipelineError>>,
    stop_pipeline: watch::Sender<bool>,
    log: SegmentLog,
    engine: Engine,
}

impl Server {
    /// Opens everything. On return, events that come are accepted.
    ///
    /// # Errors
    /// The port or the data folder is taken, the disk can't be written, or no engine is there;
    /// the message says what to do.
    pub async fn start(config: Config, metrics: MetricsHandle) -> Result<Self> {
        // First of all, since a taken port is the likeliest mistake and the cheapest to find.
        let listener = suanpan_server::bind(&config.server).await?;
        let data_dir = folders::data(&config.storage.data_dir)?;
        let admin = AdminToken::new(&secrets::admin_token(&data_dir)?);
        let origins = Origins::new(&config.origins)?;
        let catalog =
            Catalog::open_with_limits(&data_dir.join("catalog.sqlite"), config.catalog.clone()).await?;
        let log = SegmentLog::open(LogConfig { dir: folders::log(&data_dir)?, ..config.log.clone() })?;
        // The log is ours alone from here on, so whoever ran these replays has ended.
        let interrupted = catalog.interrupt_replays().await?;
        if interrupted > 0 {
            tracing::info!(interrupted, "replays of refused events were interrupted; they can go on");
        }
        let engine = Engine::start(engine_config(&config, &data_dir)?).await?;
        let warehouse = engine.warehouse();
        let has_tables = match warehouse.migrate().await {
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "the warehouse is away; events are accepted and wait in the log");
                false
            }
            migrated => migrated.map(|()| true)?,
        };

        let watermarks = Watermarks::new();
        let mut pipeline = Pipeline::new(
            log.clone(),
            catalog.clone(),
            (warehouse.clone(), watermarks.clone()),
            config.pipeline.clone(),
        );
        let progress = pipeline.progress();
        let (stop_pipeline, mut stopped) = watch::channel(false);
        if has_tables {
            // A log that is behind the warehouse must not accept events. Should the warehouse go away
            // just now, accepting goes on all the same, and the pipeline finds out later.
            match tokio::time::timeout(PREPARE_WITHIN, pipeline.prepare(&mut stopped)).await {
                Ok(prepared) => prepared?,
                Err(_elapsed) => {
                    tracing::warn!("the warehouse is slow to say where to go on; events wait in the log")
                }
            }
        }
        let pipeline = tokio::spawn(async move {
            if !has_tables {
                pipeline.wait_for_tables(&mut stopped).await?;
            }
            pipeline.run(stopped).await
        });

        let answers = Answers::new(
            catalog.clone(),
            warehouse.clone(),
            watermarks,
            config.rules.clone(),
            config.answers.clone(),
        );
        origins.keep_fresh();
        let gateway = Gateway::open(GatewayParts {
            origins,
            live: LiveHub::new(config.live.clone()),
            ..GatewayParts::new(catalog.clone(), log.clone(), config.gateway.clone(), system_clock())
        })
        .await?;
        let api = Api::new(
            catalog,
            admin,
            answers,
            (warehouse, config.pipeline.clone()),
            (log.clone(), Arc::clone(&progress)),
        );
        let router = suanpan_server::router(api, gateway.clone(), metrics, &config.server);
        Ok(Self { config, listener, router, gateway, pipeline, stop_pipeline, log, engine })
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
        let live = self.gateway.live().clone();
        let stop = async move {
            stop.await;
            // Those who watch would hold the stop up for as long as running requests may.
            live.close();
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
            ended = &mut self.pipeline => Some(ended),
        };
        tracing::info!("stopping: what was acknowledged is being stored");
        self.stop_pipeline.send_replace(true);
        let ended = match ended_early {
            Some(ended) => ended,
            None => self.pipeline.await,
        };
        if let Err(error) = self.gateway.close().await {
            tracing::warn!(%error, "the last second's events are not counted towards quotas");
        }
        self.log.close().await;
        self.engine.stop().await;
        match ended.context("the pipeline panicked")? {
            // The next start stores what is left: nothing to complain about.
            Err(PipelineError::Stopped) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The engine's configuration, with what follows from the rest.
pub fn engine_config(config: &Config, data_dir: &Path) -> Result<EngineConfig> {
    let program = std::env::current_exe().context("can't tell which program this is")?;
    Ok(EngineConfig {
        data_dir: data_dir.join("engine"),
        ask_limits_max: config.answers.query,
        child_command: Some(ChildCommand { program, args: vec!["engine-child".to_owned()] }),
        ..config.warehouse.clone()
    })
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
