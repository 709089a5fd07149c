use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::intake::{Intake, Load};
use crate::{ClientConfig, Counts, Error};

/// What the client's handles and its thread share.
pub(crate) struct Shared {
    pub config: ClientConfig,
    pub intake: Intake,
    pub progress: watch::Sender<Progress>,
    /// Set once: the delivery ends, and with it the thread.
    pub stop: watch::Sender<bool>,
    counts: Mutex<Counts>,
    /// Why events can't be sent or written now.
    trouble: Mutex<Option<String>>,
}

/// How far the queue is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    /// Tracked events that are on disk, or were given up.
    pub written: u64,
    /// Where the queue on disk ends.
    pub end: u64,
    /// All below is answered for, or was put back behind `end`.
    pub floor: u64,
    /// Behind the last event that was put back because the server wants it again.
    pub put_back: u64,
    /// Flushes under way, for which the delivery does not wait until a batch is full.
    pub flushes: u32,
}

impl Shared {
    pub(crate) fn new(config: ClientConfig) -> Self {
        Self {
            intake: Intake::new(&config),
            config,
            progress: watch::Sender::default(),
            stop: watch::Sender::default(),
            counts: Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        lock(&self.counts)
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    /// Notes why nothing goes on; true if all was well before.
    pub(crate) fn in_trouble(&self, why: &str) -> bool {
        lock(&self.trouble).replace(why.to_owned()).is_none()
    }

    /// Notes that it goes on; true if it did not before.
    pub(crate) fn out_of_trouble(&self) -> bool {
        lock(&self.trouble).take().is_some()
    }

    /// Waits until all that was tracked before is answered for. A server that wants events again holds
    /// it up: they count as not answered for.
    pub(crate) async fn flush(&self) -> Result<(), Error> {
        let mark = self.intake.tracked();
        let _hurry = Hurry::new(self);
        let mut progress = self.progress.subscribe();
        let gone = |_: watch::error::RecvError| Error::Closed;
        let end = progress.wait_for(|now| now.written >= mark).await.map_err(gone)?.end;
        progress.wait_for(|now| now.floor >= end.max(now.put_back)).await.map_err(gone)?;
        Ok(())
    }

    pub(crate) fn waiting(&self) -> Load {
        self.intake.waiting()
    }
}

/// A flush under way.
struct Hurry<'a>(&'a Shared);

impl<'a> Hurry<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.progress.send_modify(|progress| progress.flushes += 1);
        Self(shared)
    }
}

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.0.progress.send_modify(|progress| progress.flushes -= 1);
    }
}

/// No code panics while it holds one of these locks, so a poisoned one still guards whole values.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
