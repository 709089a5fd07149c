use std::time::Duration;

use suanpan_warehouse::WarehouseError;
use tokio::sync::watch;

use crate::{PipelineError, metrics};

const FIRST_PAUSE_MS: u64 = 50;

/// Tries a call of the warehouse until it works: the log holds the events meanwhile. Only a stop
/// ends it, after one more try. (A macro, since a function taking an async closure would make a
/// future that is not `Send`.)
macro_rules! retrying {
    ($retry:ident, $call:expr) => {
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
pub(crate) struct Retry<'a> {
    pause_ms: u64,
    pause_ms_max: u64,
    stop: &'a mut watch::Receiver<bool>,
}

impl<'a> Retry<'a> {
    pub fn new(pause_ms_max: u64, stop: &'a mut watch::Receiver<bool>) -> Self {
        Self { pause_ms: FIRST_PAUSE_MS.min(pause_ms_max), pause_ms_max, stop }
    }

    /// Waits after a failure; ends early, and for good, when told to stop.
    pub async fn pause_after(&mut self, error: &WarehouseError) -> Result<(), PipelineError> {
        metrics::retry();
        let pause_ms = self.pause_ms;
        if error.is_retryable() {
            tracing::warn!(%error, pause_ms, "the warehouse is away; the log keeps the events");
        } else {
            // Going on would lose the batch, so a human has to look; the log keeps everything.
            tracing::error!(%error, pause_ms, "the warehouse refuses; nothing is lost, but events wait");
        }
        if *self.stop.borrow() {
            return Err(PipelineError::Stopped);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
            _ = self.stop.changed() => {}
        }
        self.pause_ms = (pause_ms * 2).min(self.pause_ms_max);
        Ok(())
    }
}
