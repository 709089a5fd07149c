use std::sync::Arc;
use std::time::Duration;

use suanpan_log::LogError;

/// Why events could not be taken, or not be sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// An option can't be used.
    #[error("option {option} {rule}")]
    Config {
        /// The option.
        option: &'static str,
        /// What it must be.
        rule: String,
    },
    /// The server does not take the key (401, 403). Nothing was kept; another key is needed.
    #[error("{detail} ({status} {code})")]
    KeyRefused {
        /// The HTTP status.
        status: u16,
        /// Stable name of the reason.
        code: String,
        /// The reason in a sentence.
        detail: String,
    },
    /// Something answers, but it is no Suanpan gateway, or something stands between.
    #[error("{endpoint} answers, but not as a Suanpan gateway: {found}")]
    NotAGateway {
        /// Where it was sent to.
        endpoint: String,
        /// What was found instead.
        found: String,
    },
    /// The server was away or busy for longer than [`SenderConfig::patience`](crate::SenderConfig::patience).
    #[error("{why}; gave up after {} s", waited.as_secs())]
    GaveUp {
        /// The last failure.
        why: String,
        /// Since the first failure.
        waited: Duration,
    },
    /// The queue is at a bound, and the event was not taken.
    #[error("the queue is full: {events} events of {bytes} bytes wait, {bound} is reached")]
    QueueFull {
        /// Events that wait.
        events: u64,
        /// Their bytes.
        bytes: u64,
        /// The option that bounds it.
        bound: &'static str,
    },
    /// One event is over `event_bytes_max`. It was not taken.
    #[error("an event of {bytes} bytes is over event_bytes_max = {limit}")]
    EventTooLarge {
        /// Its bytes as JSON.
        bytes: usize,
        /// `event_bytes_max`.
        limit: usize,
    },
    /// The time given to a flush was over first. What waits stays on disk and is sent later.
    #[error("{waiting} events still wait{}", why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    NotFlushed {
        /// Events that still wait.
        waiting: u64,
        /// Why they can't be sent, if there is trouble.
        why: Option<String>,
    },
    /// The client was shut down.
    #[error("the client is closed")]
    Closed,
    /// The system gives no thread to work in.
    #[error("can't start the client's thread")]
    Thread {
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The queue's folder can't be used, or its disk does not take what is written.
    #[error(transparent)]
    Disk(#[from] LogError),
}
