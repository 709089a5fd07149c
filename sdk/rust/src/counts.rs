use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;

use crate::{EventResult, Status};

/// What became of events since the client was opened, from the queue's point of view:
/// `found + tracked = delivered + duplicate + rejected + set_aside + dropped + damaged + unwritten`
/// and what still waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that an earlier process had left in the queue.
    pub found: u64,
    /// Events taken by `track`.
    pub tracked: u64,
    /// Events that the server keeps.
    pub delivered: u64,
    /// Of these, events about which something was odd.
    pub warnings: u64,
    /// Events whose id came before in their request.
    pub duplicate: u64,
    /// Events that the server refused.
    pub rejected: u64,
    /// Events whose request was refused for them alone; they are kept in `set-aside.ndjson`.
    pub set_aside: u64,
    /// The oldest events, given up because the queue was at its bound. One that was on its way just
    /// then may have arrived all the same.
    pub dropped: u64,
    /// Events that the disk has lost.
    pub damaged: u64,
    /// Events that the disk did not take before the client was closed.
    pub unwritten: u64,
    /// How often the server wanted an event again, later. No event ends so.
    pub retried: u64,
}

/// An event that has left the queue because the server has answered for it.
#[derive(Debug, Clone, Copy)]
pub struct Settled<'a> {
    /// The event as it was sent.
    pub json: &'a [u8],
    /// What the server says. The status is never [`Status::Retry`].
    pub result: &'a EventResult,
}

/// Told of each event that the server has answered for, in the client's own thread: be quick.
pub type OnSettled = Arc<dyn Fn(&Settled<'_>) + Send + Sync>;

/// What tells an event.
#[derive(Debug, Default, Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    event: Cow<'a, str>,
}

impl Settled<'_> {
    /// The event's id, as `track` gave it.
    pub fn id(&self) -> String {
        self.head().id.into_owned()
    }

    /// The event's name.
    pub fn name(&self) -> String {
        self.head().event.into_owned()
    }

    fn head(&self) -> Head<'_> {
        serde_json::from_slice(self.json).unwrap_or_default()
    }
}

impl Counts {
    /// Counts an event that was answered for.
    pub(crate) fn settle(&mut self, status: Status) {
        match status {
            Status::Ok => self.delivered += 1,
            Status::Warning => {
                self.delivered += 1;
                self.warnings += 1;
            }
            Status::Duplicate => self.duplicate += 1,
            Status::Rejected => self.rejected += 1,
            Status::Refused => self.set_aside += 1,
            Status::Retry => self.retried += 1,
        }
    }

    /// Adds what a request came to.
    pub(crate) fn add(&mut self, settled: &Self) {
        self.delivered += settled.delivered;
        self.warnings += settled.warnings;
        self.duplicate += settled.duplicate;
        self.rejected += settled.rejected;
        self.set_aside += settled.set_aside;
        self.retried += settled.retried;
    }

    /// Events that have left the queue, one way or another.
    pub fn ended(&self) -> u64 {
        self.delivered
            + self.duplicate
            + self.rejected
            + self.set_aside
            + self.dropped
            + self.damaged
            + self.unwritten
    }
}
