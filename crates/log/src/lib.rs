//! The embedded segment log: what the gateway has acknowledged is here until the pipeline has stored it.
//!
//! [`SegmentLog::append`] hands a [`RecordBatch`] to one writer thread, which writes all that waits
//! in one go, syncs once, and only then answers each batch with its offsets. A [`Reader`] reads by
//! offset, never past the durable end. [`SegmentLog::commit`] says how far records are stored elsewhere;
//! whole segments below it are deleted. The file format is explained in `format.rs`.
//!
//! Invariants: an offset is given once in a log's life (its [epoch](SegmentLog::epoch)); an acknowledged
//! record is read exactly once and in order, or its loss is reported as [`Entry::Damaged`]; a failed write or
//! sync is never acknowledged; every queue and the disk use are bounded. The words are those of a
//! partitioned log (epoch, partition, offset), so a cluster's log can stand in for this one.

mod append_queue;
mod batch;
mod commit_file;
mod config;
mod disk;
mod error;
#[cfg(test)]
mod faults;
mod folder;
mod format;
mod metrics;
mod reader;
mod recovery;
mod scan;
mod segment_log;
mod segments;
mod writer;

pub use batch::RecordBatch;
pub use config::LogConfig;
pub use error::LogError;
pub use metrics::METRICS;
pub use reader::{Entry, Reader};
pub use segment_log::SegmentLog;
