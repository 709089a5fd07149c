use std::sync::{Mutex, MutexGuard};

use tokio::sync::{Notify, oneshot};

use crate::{ClientConfig, Error, WhenFull};

/// Where `track` leaves events and the journal takes them; knows how much waits here and on disk.
pub(crate) struct Intake {
    bounds: Bounds,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    events: u64,
    bytes: u64,
    memory_bytes: usize,
    refuse: bool,
}

#[derive(Default)]
struct State {
    items: Vec<Item>,
    item_bytes: usize,
    waiting: Load,
    tracked: u64,
    closed: bool,
}

/// An event on its way to the disk.
pub(crate) struct Item {
    pub json: Vec<u8>,
    /// Told once it is there.
    pub written: oneshot::Sender<Result<(), Error>>,
}

/// A number of events and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub events: u64,
    pub bytes: u64,
}

impl Intake {
    pub(crate) fn new(config: &ClientConfig) -> Self {
        let bounds = Bounds {
            events: config.events_max,
            bytes: config.bytes_max,
            memory_bytes: config.memory_bytes_max,
            refuse: config.when_full == WhenFull::Refuse,
        };
        Self { bounds, state: Mutex::default(), arrived: Notify::new() }
    }

    /// Takes an event in, or says which bound is reached. Never waits.
    pub(crate) fn push(&self, json: Vec<u8>) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
        let (written, receipt) = oneshot::channel();
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        if let Some(bound) = self.bounds.reached(&state, json.len()) {
            let Load { events, bytes } = state.waiting;
            return Err(Error::QueueFull { events, bytes, bound });
        }
        state.item_bytes += json.len();
        state.waiting.events += 1;
        state.waiting.bytes += json.len() as u64;
        state.tracked += 1;
        state.items.push(Item { json, written });
        drop(state);
        self.arrived.notify_one();
        Ok(receipt)
    }

    /// Waits for events and takes all; none once this is closed and empty.
    pub(crate) async fn take(&self) -> Option<Vec<Item>> {
        loop {
            {
                let mut state = self.lock();
                if !state.items.is_empty() {
                    state.item_bytes = 0;
                    return Some(std::mem::take(&mut state.items));
                }
                if state.closed {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Takes no more events; those that are here are still handed out.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Events taken so far.
    pub(crate) fn tracked(&self) -> u64 {
        self.lock().tracked
    }

    /// What waits, here and on disk.
    pub(crate) fn waiting(&self) -> Load {
        self.lock().waiting
    }

    /// More waits on disk: an earlier process left it there, or it was put back.
    pub(crate) fn add(&self, load: Load) {
        let mut state = self.lock();
        state.waiting.events += load.events;
        state.waiting.bytes += load.bytes;
    }

    /// This much has left the queue.
    pub(crate) fn subtract(&self, load: Load) {
        let mut state = self.lock();
        state.waiting.events = state.waiting.events.saturating_sub(load.events);
        state.waiting.bytes = state.waiting.bytes.saturating_sub(load.bytes);
    }

    /// What must go for the queue to be within its bounds.
    pub(crate) fn excess(&self) -> Load {
        let waiting = self.waiting();
        Load {
            events: waiting.events.saturating_sub(self.bounds.events),
            bytes: waiting.bytes.saturating_sub(self.bounds.bytes),
        }
    }

    /// No code panics while it holds the lock, so a poisoned lock still guards whole values.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Bounds {
    fn reached(&self, state: &State, more_bytes: usize) -> Option<&'static str> {
        // An event alone is always taken: `event_bytes_max` bounds it.
        if !state.items.is_empty() && state.item_bytes + more_bytes > self.memory_bytes {
            return Some("memory_bytes_max");
        }
        if self.refuse && state.waiting.events >= self.events {
            return Some("events_max");
        }
        (self.refuse && state.waiting.bytes + more_bytes as u64 > self.bytes).then_some("bytes_max")
    }
}
