//! Log to rows, exactly once.
//!
//! ```text
//! read → decide → dedupe → enrich → write → commit
//! ```
//!
//! [`Pipeline`] runs one worker for each partition of the log that this process is given. Records are events,
//! and events that the gateway refused: those go into the dead letter. Beside
//! the events are written the links between ids that they tell of, and the names that they teach.
//!
//! The commit is the ledger row: one insert into the warehouse says how far a partition has been
//! read *and* what became of each event, so the two can't disagree. A worker claims its partition in the
//! warehouse, which from then on takes nobody else's rows of it; then it asks which offsets past the last commit
//! are stored already, and skips exactly those.
//!
//! Invariants: every offset of the log ends in exactly one `Outcome`; memory is bounded by the
//! batches at once and by the dedupe limits; the log is only freed below the commit. This crate does not
//! know HTTP.

mod batch;
mod beside;
mod config;
mod dead_letter;
mod dedupe;
mod enrich;
mod fate;
mod id_table;
mod learn;
mod links;
pub mod metrics;
mod pipeline;
mod reading;
mod shared;
mod signals;
mod start;
mod store;
mod store_refused;
mod worker;

pub use config::{DeadLetterConfig, LearningConfig, PipelineConfig};
pub use pipeline::{Pipeline, PipelineError};

use batch::now_ms;
