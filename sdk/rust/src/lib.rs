//! Reports events to Suanpan from Rust.
//!
//! ```text
//! track ─▶ memory ─▶ queue on disk ─▶ batch ─▶ gzip ─▶ POST /v1/events ─▶ a result for each event
//!          (journal)   (suanpan-log)          (delivery, Sender)
//! ```
//!
//! Two layers. [`Sender`] sends events that are at hand and says what became of each: pauses, halves,
//! isolates, no disk. [`Client`] puts a queue on disk before a `Sender` and works in a thread of its
//! own. [`Client::track`] waits for neither disk nor network.
//!
//! Invariants: an event has its id and time before it is queued, and keeps them over all tries; it
//! leaves the queue only when the server has answered for it, or when a stated bound says so, and is
//! then counted; nothing the server answers stops the queue for good.

mod answer;
mod backoff;
mod client;
mod connection;
mod counts;
mod delivery;
mod error;
mod event;
mod intake;
mod journal;
mod person;
mod queue;
mod request;
mod sender;
mod set_aside;
mod shared;
mod worker;

pub use answer::{EventResult, Note, Status};
pub use backoff::Pauses;
pub use client::{Client, ClientConfig, Receipt, WhenFull};
pub use connection::http_client;
pub use counts::{Counts, OnSettled, Settled};
pub use error::Error;
pub use event::Event;
pub use sender::{OnWait, Sender, SenderConfig, Wait};
