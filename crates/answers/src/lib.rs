//! Ask: a rule in, an answer out; computed once, kept until it could change.
//!
//! ```text
//! resolve → key → cached? → (slot floor → compile → dispatch → assemble) → answer, and how fresh it is
//! ```
//!
//! Invariants: an answer's cache key holds the app, so no app can be given another's answer; an
//! answer is only reused while nothing was stored in its range since, or for the stated second
//! and then marked as stale; any number of concurrent askers of one question cost one query.
//! This crate does not know SQL.

mod ask;
mod cache;
mod config;
mod error;
mod explain;
pub mod metrics;

pub use ask::{Answered, Answers, CacheUse};
pub use config::AnswersConfig;
pub use error::AskError;
pub use explain::Explained;
