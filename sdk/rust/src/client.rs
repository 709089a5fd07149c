use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::shared::Shared;
use crate::worker::{self, Worker};
use crate::{Counts, Error, Event, OnSettled, Sender, SenderConfig};

/// Where the queue lies, how much it holds, and where it is sent.
#[derive(Clone)]
pub struct ClientConfig {
    /// The server, the key, the size of requests, the pauses. Its `patience` does not count: what is on
    /// disk is sent for as long as it takes.
    pub sender: SenderConfig,
    /// The queue's folder. Made if it is missing; one client at a time may hold it.
    pub dir: PathBuf,
    /// Events that may wait. Default 1,000,000; four bytes of memory each.
    pub events_max: u64,
    /// Bytes of them as JSON. Default 512 MiB. The disk may take twice that for a moment.
    pub bytes_max: u64,
    /// What happens at these bounds. Default [`WhenFull::DropOldest`].
    pub when_full: WhenFull,
    /// Bytes of one event as JSON; larger ones are not taken. Default 256 KiB, limit 8 MiB; a server
    /// takes 32 KiB unless it is configured otherwise.
    pub event_bytes_max: usize,
    /// Bytes of events that may wait to be written to the disk; over it `track` refuses. Default 32 MiB.
    pub memory_bytes_max: usize,
    /// Longest time that an event waits for others to fill a request. Default 1 s; 100 ms in debug mode.
    pub send_interval: Duration,
    /// Pause after the server refused the key. Default 60 s.
    pub refused_pause: Duration,
    /// Bytes of `set-aside.ndjson`. Default 16 MiB.
    pub set_aside_bytes_max: u64,
    /// Log through `tracing` what the server says of each event.
    pub debug: bool,
    /// What reports, with its version. Default `suanpan-rust/VERSION`.
    pub library: String,
    /// Told of each event that the server has answered for.
    pub on_settled: Option<OnSettled>,
}

/// What a queue at its bound does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Takes the new event and gives up the oldest, which is counted.
    DropOldest,
    /// Keeps what it has; `track` says [`Error::QueueFull`].
    Refuse,
}

/// Reports events through a queue on disk. Clones share it; the last one to go closes it as
/// [`Client::shutdown`] without a flush does.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    worker: Mutex<Option<Worker>>,
    of_all: RwLock<Map<String, Value>>,
}

/// Stands for an event that was tracked.
#[derive(Debug)]
pub struct Receipt {
    id: Uuid,
    written: oneshot::Receiver<Result<(), Error>>,
}

impl ClientConfig {
    /// The defaults, for this server, key and folder.
    pub fn new(host: impl Into<String>, key: impl Into<String>, dir: impl Into<PathBuf>) -> Self {
        Self {
            sender: SenderConfig::new(host, key),
            dir: dir.into(),
            events_max: 1_000_000,
            bytes_max: 512 << 20,
            when_full: WhenFull::DropOldest,
            event_bytes_max: 256 << 10,
            memory_bytes_max: 32 << 20,
            send_interval: Duration::from_secs(1),
            refused_pause: Duration::from_secs(60),
            set_aside_bytes_max: 16 << 20,
            debug: false,
            library: crate::event::LIBRARY.to_owned(),
            on_settled: None,
        }
    }

    fn check(&self) -> Result<(), Error> {
        let bound = |fits: bool, option: &'static str, rule: &str| {
            if fits { Ok(()) } else { Err(Error::Config { option, rule: rule.to_owned() }) }
        };
        bound(self.events_max >= 1, "events_max", "must be at least 1")?;
        bound(
            (1..=8 << 20).contains(&self.event_bytes_max),
            "event_bytes_max",
            "must be 1 to 8388608 (8 MiB)",
        )?;
        bound(self.bytes_max >= self.event_bytes_max as u64, "bytes_max", "must hold event_bytes_max")
    }
}

impl Client {
    /// Opens the queue and begins to send what is in it. Blocks on the disk: an earlier process's queue is
    /// read through. Needs no async runtime; it brings a thread.
    ///
    /// # Errors
    /// [`Error::Config`]; [`Error::Disk`] if the folder can't be used or another client holds it.
    pub fn open(config: ClientConfig) -> Result<Self, Error> {
        config.check()?;
        let sender = Sender::new(config.sender.clone())?;
        let shared = Arc::new(Shared::new(config));
        let worker = worker::start(&shared, sender)?;
        Ok(Self {
            inner: Arc::new(Inner { shared, worker: Mutex::new(Some(worker)), of_all: RwLock::default() }),
        })
    }

    /// Takes an event: its id and time are made, and a moment later it is on disk. Waits for neither disk
    /// nor network. A process that is killed within that moment (one sync of the disk) loses the event;
    /// who must know awaits [`Receipt::on_disk`].
    ///
    /// # Errors
    /// [`Error::QueueFull`], [`Error::EventTooLarge`], [`Error::Closed`]. The event was not taken.
    pub fn track(&self, event: Event) -> Result<Receipt, Error> {
        let shared = &self.inner.shared;
        let (id, json) = {
            let of_all = self.inner.of_all.read().unwrap_or_else(PoisonError::into_inner);
            event.encode(&shared.config.library, &of_all)
        };
        let limit = shared.config.event_bytes_max;
        if json.len() > limit {
            return Err(Error::EventTooLarge { bytes: json.len(), limit });
        }
        let written = shared.intake.push(json)?;
        Ok(Receipt { id, written })
    }

    /// Adds a property to all events from now on, but for those about persons. An event's own goes before it.
    pub fn set_property_of_all(&self, name: impl Into<String>, value: impl Into<Value>) {
        let mut of_all = self.inner.of_all.write().unwrap_or_else(PoisonError::into_inner);
        of_all.insert(name.into(), value.into());
    }

    /// Adds such a property no more.
    pub fn unset_property_of_all(&self, name: &str) {
        self.inner.of_all.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Sends without waiting for full requests, until the server has answered for all that was tracked
    /// before. Any runtime may await it.
    ///
    /// # Errors
    /// [`Error::NotFlushed`] after the time: what waits stays on disk and is sent later. [`Error::Closed`].
    pub async fn flush(&self, timeout: Duration) -> Result<(), Error> {
        let shared = Arc::clone(&self.inner.shared);
        let Some(runtime) = self.inner.worker().as_ref().map(|worker| worker.runtime.clone()) else {
            return Err(Error::Closed);
        };
        let flushing = runtime.spawn(async move { tokio::time::timeout(timeout, shared.flush()).await });
        match flushing.await {
            Ok(Ok(flushed)) => flushed,
            Ok(Err(_elapsed)) => {
                let shared = &self.inner.shared;
                Err(Error::NotFlushed { waiting: shared.waiting().events, why: shared.trouble() })
            }
            Err(_the_thread_has_ended) => Err(Error::Closed),
        }
    }

    /// Takes no more events, flushes for so long, and lets the folder go. Whatever was not sent is on disk,
    /// and is sent by the next client that opens the folder.
    ///
    /// # Errors
    /// [`Error::NotFlushed`]: the client is closed all the same.
    pub async fn shutdown(&self, timeout: Duration) -> Result<(), Error> {
        self.inner.shared.intake.close();
        let flushed = self.flush(timeout).await;
        self.inner.shared.stop.send_replace(true);
        let ended = self.inner.worker().as_ref().map(|worker| worker.ended.clone());
        if let Some(mut ended) = ended {
            // An error is what is waited for: the other end is gone.
            while ended.changed().await.is_ok() {}
        }
        match flushed {
            // Somebody else has shut it down meanwhile.
            Err(Error::Closed) => Ok(()),
            flushed => flushed,
        }
    }

    /// What became of events since this client was opened.
    pub fn counts(&self) -> Counts {
        let shared = &self.inner.shared;
        Counts { tracked: shared.intake.tracked(), ..*shared.counts() }
    }

    /// Events that wait, in memory and on disk.
    pub fn waiting(&self) -> u64 {
        self.inner.shared.waiting().events
    }

    /// Why nothing can be sent or written at present; none while all is well.
    pub fn trouble(&self) -> Option<String> {
        self.inner.shared.trouble()
    }
}

impl Receipt {
    /// The event's id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Waits until the event is on disk, where it survives a kill and a power failure. Any runtime may
    /// await it.
    ///
    /// # Errors
    /// [`Error::Disk`] or [`Error::Closed`]: the client was closed before the disk took it.
    pub async fn on_disk(self) -> Result<Uuid, Error> {
        self.written.await.unwrap_or(Err(Error::Closed)).map(|()| self.id)
    }
}

impl Inner {
    fn worker(&self) -> std::sync::MutexGuard<'_, Option<Worker>> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.intake.close();
        self.shared.stop.send_replace(true);
        let Some(worker) = self.worker().take() else { return };
        // `on_settled` may hold the last clone, and runs in the thread itself.
        if worker.thread.thread().id() != std::thread::current().id() && worker.thread.join().is_err() {
            tracing::error!("the client's thread has panicked");
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.inner.shared.config).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("sender", &self.sender)
            .field("dir", &self.dir)
            .field("events_max", &self.events_max)
            .field("bytes_max", &self.bytes_max)
            .field("when_full", &self.when_full)
            .field("send_interval", &self.send_interval)
            .field("debug", &self.debug)
            .finish_non_exhaustive()
    }
}
