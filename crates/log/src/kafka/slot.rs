use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// A commit in flight is waited for so long; after it, the group refuses it by itself.
const COMMIT_IN_FLIGHT_MAX: Duration = Duration::from_secs(2);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// What a reader and the group's member know of each other.
pub(super) struct Slot {
    pub partition: u32,
    pub epoch: u64,
    /// The reader is to finish.
    pub revoked: watch::Sender<bool>,
    /// Held by whoever commits.
    pub commits: Arc<tokio::sync::Mutex<()>>,
    /// Since when a record waits that was read and not committed, in Unix milliseconds.
    pub waiting_since_ms: Mutex<Option<i64>>,
    /// The reader can't commit any more.
    over: AtomicBool,
    /// Somebody took the reader from the subscription.
    taken: AtomicBool,
    dropped: Mutex<bool>,
    drop_seen: Condvar,
}

impl Slot {
    pub fn new(partition: u32, epoch: u64) -> Self {
        Self {
            partition,
            epoch,
            revoked: watch::Sender::new(false),
            commits: Arc::default(),
            waiting_since_ms: Mutex::default(),
            over: AtomicBool::new(false),
            taken: AtomicBool::new(false),
            dropped: Mutex::new(false),
            drop_seen: Condvar::new(),
        }
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub fn is_dropped(&self) -> bool {
        *self.dropped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn take(&self) {
        self.taken.store(true, Ordering::Release);
    }

    pub fn say_dropped(&self) {
        *self.dropped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.drop_seen.notify_all();
    }

    /// Asks the reader to finish.
    pub fn revoke(&self) {
        self.revoked.send_replace(true);
    }

    /// Waits until the reader is dropped, or this moment. A reader that nobody took has nothing to finish.
    pub fn wait_dropped(&self, until: Instant) {
        if !self.taken.load(Ordering::Acquire) {
            return;
        }
        let dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.drop_seen.wait_timeout_while(dropped, left, |dropped| !*dropped);
        if waited.is_ok_and(|(_, waited)| waited.timed_out()) {
            tracing::warn!(
                partition = self.partition,
                "a partition is given up before its batch was finished"
            );
        }
    }

    /// From now on the reader can't commit.
    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.revoke();
        let deadline = Instant::now() + COMMIT_IN_FLIGHT_MAX;
        while self.commits.try_lock().is_err() && Instant::now() < deadline {
            sleep(TRY_AGAIN_AFTER);
        }
    }
}
