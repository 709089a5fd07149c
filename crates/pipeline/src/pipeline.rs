use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use suanpan_catalog::Catalog;
use suanpan_log::{EventLog, LogError, PartitionReader, Subscription};
use suanpan_warehouse::{Warehouse, WarehouseError, Watermarks};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use crate::shared::Shared;
use crate::signals::{Halt, Retry, Signals};
use crate::start::Reached;
use crate::worker::work;
use crate::{PipelineConfig, metrics};

/// The first pause before a partition is taken up again whose worker failed; it doubles each time.
const FIRST_PAUSE_MS: u64 = 200;
/// A worker that lived so long had begun well.
const LIVED_WELL: Duration = Duration::from_secs(60);

/// Why the pipeline ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The log can't be read.
    #[error("the pipeline can't read the log: {0}")]
    Log(#[from] LogError),
    /// The warehouse refuses to make its tables.
    #[error(transparent)]
    Tables(#[from] WarehouseError),
    /// The disk lost acknowledged records that the warehouse has: going on would give their offsets
    /// to other events and skip those. Move the log's folder away; a new one is made.
    #[error(
        "partition {partition} of the log ends at {end}, but the warehouse has its events up to {stored}: the \
         disk lost records it had acknowledged. Move the log away and start again; a new one is made"
    )]
    LogBehind {
        /// The partition.
        partition: u32,
        /// Its end.
        end: u64,
        /// One past the highest offset in the warehouse.
        stored: u64,
    },
    /// The pipeline was told to stop while the warehouse was away; the log keeps what is left.
    #[error("stopped while the warehouse was away; the log keeps the events")]
    Stopped,
}

impl PipelineError {
    fn of(partition: u32, halt: Halt) -> Self {
        match halt {
            Halt::Log(error) => Self::Log(error),
            Halt::LogBehind { end, stored } => Self::LogBehind { partition, end, stored },
            Halt::Stopped | Halt::Revoked | Halt::Fenced | Halt::GaveWay => Self::Stopped,
        }
    }
}

/// Reads the log into the warehouse: one worker for each partition that the log gives this process.
#[derive(Debug)]
pub struct Pipeline {
    log: Arc<dyn EventLog>,
    shared: Arc<Shared>,
}

impl Pipeline {
    /// A pipeline between these stations. It marks `watermarks` with what it stores.
    pub fn new(
        log: Arc<dyn EventLog>,
        catalog: Catalog,
        stations: (Warehouse, Watermarks),
        config: PipelineConfig,
    ) -> Self {
        Self { log, shared: Arc::new(Shared::new(catalog, stations, config)) }
    }

    /// Makes the tables, for a start at which the warehouse was away: events are accepted
    /// meanwhile, and wait in the log.
    ///
    /// # Errors
    /// The warehouse came and refused, or the stop came first.
    pub async fn wait_for_tables(&self, stop: &watch::Receiver<bool>) -> Result<(), PipelineError> {
        let mut retry = self.retry(stop);
        loop {
            match self.shared.warehouse.migrate().await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_retryable() => {
                    retry.pause_after(&error).await.map_err(|_stopped| PipelineError::Stopped)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Finds out whether the log has all that the warehouse has of it, before any event is accepted. It only asks,
    /// so others may be at work. [`Self::run`] finds out again, for each partition.
    ///
    /// # Errors
    /// [`PipelineError::LogBehind`]; the log can't be reached; or the stop came first.
    pub async fn check(&self, stop: &watch::Receiver<bool>) -> Result<(), PipelineError> {
        let mut retry = self.retry(stop);
        let mut reached = HashMap::new();
        for at in self.log.positions().await? {
            let asked = Reached::ask(&self.shared.warehouse, (at.epoch, at.partition), &mut retry).await;
            let end = asked.map_err(|halt| PipelineError::of(at.partition, halt))?.end;
            reached.insert((at.epoch, at.partition), end);
        }
        // Asked last: whatever the warehouse has, the log has given before.
        for at in self.log.positions().await? {
            let (partition, end) = (at.partition, at.end_offset);
            match reached.get(&(at.epoch, partition)) {
                Some(stored) if *stored > end => {
                    return Err(PipelineError::LogBehind { partition, end, stored: *stored });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Runs until `stop` turns true; then each partition is read to where it ended at that moment. While the
    /// warehouse is away it waits, for as long as it takes; when told to stop meanwhile, it leaves the rest to the
    /// next start.
    ///
    /// A worker that fails begins anew, and disturbs no other.
    ///
    /// # Errors
    /// [`PipelineError::LogBehind`]; the log is read by somebody else already, or can't be read at the end; or
    /// the stop came while the warehouse was away.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), PipelineError> {
        let signals = Signals::new(stop);
        let mut subscription = self.subscribe(&signals).await?;
        let mut workers = Workers::new(self, signals);
        let ended = workers.work(subscription.as_mut()).await;
        // On return nothing is held any more: somebody else may read the log.
        workers.tasks.shutdown().await;
        workers.held.shutdown().await;
        ended.and(workers.outcome)
    }

    async fn subscribe(&self, signals: &Signals) -> Result<Box<dyn Subscription>, PipelineError> {
        let mut retry = Retry::new(self.shared.config.retry_pause_ms_max, signals);
        loop {
            match self.log.subscribe().await {
                Ok(subscription) => return Ok(subscription),
                Err(error) => {
                    retry.pause_after_log(error).await.map_err(|halt| PipelineError::of(0, halt))?
                }
            }
        }
    }

    fn retry(&self, stop: &watch::Receiver<bool>) -> Retry {
        Retry::new(self.shared.config.retry_pause_ms_max, &Signals::new(stop.clone()))
    }
}

/// The workers of a pipeline.
struct Workers {
    pipeline: Pipeline,
    signals: Signals,
    tasks: JoinSet<Result<(), Halt>>,
    /// Which partition a task works on, and since when.
    running: HashMap<Id, (u32, Instant)>,
    /// How long a partition's next worker waits before it begins, after one that failed.
    pauses_ms: HashMap<u32, u64>,
    /// Readers that came after the stop. They are given back if they are taken away, else at the end: given back at
    /// once they might come again at once.
    held: JoinSet<()>,
    outcome: Result<(), PipelineError>,
}

impl Workers {
    fn new(pipeline: Pipeline, signals: Signals) -> Self {
        let (running, pauses_ms) = Default::default();
        let (tasks, held) = (JoinSet::new(), JoinSet::new());
        Self { pipeline, signals, tasks, running, pauses_ms, held, outcome: Ok(()) }
    }

    /// Gives partitions to workers until there are none any more.
    async fn work(&mut self, subscription: &mut dyn Subscription) -> Result<(), PipelineError> {
        // Those of a log of our own are there at once, and are read to the end even if the stop has come already.
        while let Ok(Ok(reader)) = tokio::time::timeout(Duration::ZERO, subscription.next()).await {
            self.begin(reader);
        }
        let (mut stopping, mut is_open) = (self.signals.clone(), true);
        // The subscription is asked all the time: a cluster's log takes the partitions of whoever does not.
        while !self.tasks.is_empty() || (is_open && !self.signals.is_stopping()) {
            let was_stopping = self.signals.is_stopping();
            tokio::select! {
                given = subscription.next(), if is_open => match given {
                    Ok(reader) if was_stopping => self.hold(reader),
                    Ok(reader) => self.begin(reader),
                    Err(LogError::Closed) => is_open = false,
                    Err(error @ LogError::Broken { .. }) => return Err(error.into()),
                    Err(error) => {
                        tracing::warn!(%error, "the log gives no partitions just now");
                        stopping.pause(Duration::from_millis(FIRST_PAUSE_MS)).await;
                    }
                },
                Some(ended) = self.tasks.join_next_with_id() => self.end(ended)?,
                () = stopping.stopping(), if !was_stopping => {}
            }
        }
        Ok(())
    }

    fn begin(&mut self, reader: Box<dyn PartitionReader>) {
        let partition = reader.partition();
        let (shared, partitions) = (Arc::clone(&self.pipeline.shared), self.pipeline.log.partitions());
        let pause_ms = self.pauses_ms.get(&partition).copied().unwrap_or_default();
        let signals = self.signals.clone();
        let task = self.tasks.spawn(async move {
            if pause_ms > 0 {
                let mut waking = signals.clone().with_revoked(reader.revoked());
                waking.pause(Duration::from_millis(pause_ms)).await;
            }
            work(shared, reader, partitions, signals).await
        });
        self.running.insert(task.id(), (partition, Instant::now()));
    }

    fn hold(&mut self, reader: Box<dyn PartitionReader>) {
        let mut signals = self.signals.clone().with_revoked(reader.revoked());
        self.held.spawn(async move {
            signals.revoking().await;
            drop(reader);
        });
    }

    /// Takes note of how a worker ended; only a log that is behind ends all of them.
    fn end(&mut self, ended: Result<(Id, Result<(), Halt>), JoinError>) -> Result<(), PipelineError> {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, ended.map_err(Some)),
            Err(error) => {
                tracing::error!(%error, "a worker of the pipeline broke down: please report this");
                (error.id(), Err(None))
            }
        };
        let (partition, since) = self.running.remove(&id).expect("each task was noted when it began");
        let why = match ended {
            Ok(()) => return Ok(()),
            Err(Some(halt @ Halt::LogBehind { .. })) => return Err(PipelineError::of(partition, halt)),
            Err(Some(Halt::Revoked)) => {
                tracing::info!(partition, "the partition was given to another process");
                metrics::worker_ended("revoked");
                return Ok(());
            }
            Err(Some(halt)) if self.signals.is_stopping() => {
                self.outcome = Err(PipelineError::of(partition, halt));
                return Ok(());
            }
            Err(Some(Halt::Fenced)) => {
                tracing::warn!(
                    partition,
                    "another worker claimed the partition; waiting to be given it again"
                );
                "fenced"
            }
            Err(Some(Halt::GaveWay)) => {
                tracing::warn!(partition, "a batch can't be stored just now; other partitions go on first");
                "gave_way"
            }
            Err(halt) => {
                tracing::error!(partition, error = ?halt, "a worker failed; it begins anew");
                "failed"
            }
        };
        metrics::worker_ended(why);
        let before = if since.elapsed() < LIVED_WELL { self.pauses_ms.get(&partition) } else { None };
        let pause_ms = before.map_or(FIRST_PAUSE_MS, |before| before * 2);
        self.pauses_ms.insert(partition, pause_ms.min(self.pipeline.shared.config.retry_pause_ms_max));
        Ok(())
    }
}
