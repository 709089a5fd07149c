//! `suanpan import`: reports the events of a file through the gateway.
//!
//! ```text
//! identify → survey → cut into batches → draft events → send → keep rejects and place
//! ```
//!
//! Invariants: nothing is sent before the columns are known to make events; every line ends as
//! accepted, duplicate or rejected; the place on disk never lies beyond an acknowledged line; an
//! event without an id gets one of the file's content and the line's number, so sending twice is
//! the same as sending once. Memory is bounded by some batches of about 2 MiB.

mod args;
mod bad_line;
mod batch;
mod cell;
mod columns;
mod counts;
mod csv_split;
mod draft;
mod field;
mod file;
mod options;
mod preview;
mod progress;
mod records;
mod rejects;
mod report;
mod run;
mod seen;
mod send;
mod state;
mod survey;
#[cfg(test)]
mod tests;
mod times;
mod transfer;
mod window;

pub use args::ImportArgs;
pub use options::{ImportOptions, Target};
pub use report::ImportReport;
pub use run::run;

use options::Format;
