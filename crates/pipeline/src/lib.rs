//! Log to rows, exactly once.
//!
//! ```text
//! read → dedupe → enrich → write → commit
//! ```
//!
//! Records are events, and events that the gateway refused: those go into the dead letter. Beside
//! the events are written the links between ids that they tell of, and the names that they teach.
//!
//! The commit is the ledger row: one insert into the warehouse says how far the log has been
//! read *and* what became of each event, so the two can't disagree. After a crash between the
//! events and their ledger row, the pipeline asks which offsets past the last commit are stored
//! already and skips exactly those.
//!
//! Invariants: every offset of the log ends in exactly one `Outcome`; memory is bounded by the
//! batch and by the dedupe limits; the log is only freed below the commit. This crate does not
//! know HTTP.

mod batch;
mod beside;
mod config;
mod dead_letter;
mod dedupe;
mod enrich;
mod fate;
mod learn;
mod links;
pub mod metrics;
mod retry;
mod run;

pub use config::{DeadLetterConfig, LearningConfig, PipelineConfig};
pub use run::{Pipeline, PipelineError, Progress};
