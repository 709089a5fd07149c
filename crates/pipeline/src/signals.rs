use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use suanpan_log::LogError;
use suanpan_warehouse::WarehouseError;
use tokio::sync::watch;

use crate::metrics;

const FIRST_PAUSE_MS: u64 = 50;

/// Why a worker ended before it had read its partition to the end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Halt {
    /// Told to stop while the warehouse, or the log, was away.
    #[error("stopped")]
    Stopped,
    /// The log gives the partition to another process.
    #[error("the partition was taken away")]
    Revoked,
    /// Another worker claimed the partition in the warehouse.
    #[error("another worker claimed the partition")]
    Fenced,
    /// A batch could not be stored for some time while other partitions waited for its turn.
    #[error("other partitions waited for the turn of a batch that could not be stored")]
    GaveWay,
    /// The log can't be read.
    #[error(transparent)]
    Log(LogError),
    /// The warehouse has offsets that the log has not given yet.
    #[error("the log ends at {end}, the warehouse has {stored}")]
    LogBehind { end: u64, stored: u64 },
}

impl From<LogError> for Halt {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Revoked { .. } => Self::Revoked,
            error => Self::Log(error),
        }
    }
}

/// What may be said to a worker at any time. Who can no longer say when to stop has said it.
#[derive(Debug, Clone)]
pub(crate) struct Signals {
    stop: watch::Receiver<bool>,
    revoked: Option<watch::Receiver<bool>>,
}

impl Signals {
    pub fn new(stop: watch::Receiver<bool>) -> Self {
        Self { stop, revoked: None }
    }

    pub fn with_revoked(self, revoked: watch::Receiver<bool>) -> Self {
        Self { revoked: Some(revoked), ..self }
    }

    /// Whether the pipeline is to end once the log is read.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    pub fn is_revoked(&self) -> bool {
        self.revoked.as_ref().is_some_and(|revoked| *revoked.borrow())
    }

    /// Returns when the pipeline is to end.
    pub async fn stopping(&mut self) {
        let _said_or_gone = self.stop.wait_for(|said| *said).await;
    }

    /// Returns when the partition is taken away.
    pub async fn revoking(&mut self) {
        if let Some(revoked) = &mut self.revoked
            && revoked.wait_for(|said| *said).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }

    /// Waits, less if something is said that was not said before.
    pub async fn pause(&mut self, pause: Duration) {
        let (stopping, revoked) = (self.is_stopping(), self.is_revoked());
        let mut other = self.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.stopping(), if !stopping => {}
            () = other.revoking(), if !revoked => {}
        }
    }
}

/// Tries a call of the warehouse until it works: the log holds the events meanwhile. Only a stop, or the loss of
/// the partition, ends it, or that others wait for the turn. (A macro, since a function taking an async closure would make a
/// future that is not `Send`.)
macro_rules! retrying {
    ($retry:expr, $call:expr) => {
        loop {
            match $call.await {
                Ok(done) => break done,
                Err(error) => $retry.pause_after(&error).await?,
            }
        }
    };
}
pub(crate) use retrying;

/// Growing pauses between tries.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    pause_ms: u64,
    pause_ms_max: u64,
    signals: Signals,
    turn: Option<Turn>,
}

/// What a batch's tries take from others meanwhile.
#[derive(Debug, Clone)]
struct Turn {
    /// Workers that wait for a turn.
    waiting: Arc<AtomicUsize>,
    failing_since: Option<Instant>,
}

impl Retry {
    pub fn new(pause_ms_max: u64, signals: &Signals) -> Self {
        Self {
            pause_ms: FIRST_PAUSE_MS.min(pause_ms_max),
            pause_ms_max,
            signals: signals.clone(),
            turn: None,
        }
    }

    /// Tries that hold a turn: once they have failed for as long as the longest pause, they end as soon as somebody
    /// `waiting` needs the turn. The worker begins anew then, which waits for the warehouse without a turn.
    pub fn with_turn(self, waiting: &Arc<AtomicUsize>) -> Self {
        let turn = Turn { waiting: Arc::clone(waiting), failing_since: None };
        Self { turn: Some(turn), ..self }
    }

    /// Waits after a failure of the warehouse, or says why it must not be tried again.
    pub async fn pause_after(&mut self, error: &WarehouseError) -> Result<(), Halt> {
        let pause_ms = self.pause_ms;
        if error.is_fenced() {
            return Err(Halt::Fenced);
        }
        if error.is_retryable() {
            tracing::warn!(%error, pause_ms, "the warehouse is away; the log keeps the events");
        } else {
            // Going on would lose the batch, so a human has to look; the log keeps everything.
            let error = for_operators(error);
            tracing::error!(error, pause_ms, "the warehouse refuses; nothing is lost, but events wait");
        }
        self.pause().await
    }

    /// Waits after a failure of the log, or says why it must not be tried again.
    pub async fn pause_after_log(&mut self, error: LogError) -> Result<(), Halt> {
        match error {
            LogError::Io { .. } | LogError::Unavailable { .. } => {
                tracing::error!(%error, "the log can't be read just now; nothing is lost, but events wait");
                if self.signals.is_stopping() { Err(error.into()) } else { self.pause().await }
            }
            error => Err(error.into()),
        }
    }

    async fn pause(&mut self) -> Result<(), Halt> {
        metrics::retry();
        if self.signals.is_revoked() {
            return Err(Halt::Revoked);
        }
        if self.signals.is_stopping() {
            return Err(Halt::Stopped);
        }
        if let Some(turn) = &mut self.turn {
            let failing = turn.failing_since.get_or_insert_with(Instant::now).elapsed();
            let long = failing >= Duration::from_millis(self.pause_ms_max);
            if long && turn.waiting.load(Ordering::Relaxed) > 0 {
                return Err(Halt::GaveWay);
            }
        }
        self.signals.pause(Duration::from_millis(self.pause_ms)).await;
        self.pause_ms = (self.pause_ms * 2).min(self.pause_ms_max);
        Ok(())
    }
}

/// What the program's own log may tell of an error. Where ClickHouse refuses rows, its words quote from them, and so
/// may tell of persons: of those the code is enough.
pub(crate) fn for_operators(error: &WarehouseError) -> String {
    match error {
        WarehouseError::DataRefused { code, .. } => format!("ClickHouse refuses these rows (code {code})"),
        error => error.to_string(),
    }
}
