//! The log: what the gateway has acknowledged is here until the pipeline has stored it.
//!
//! [`EventLog`] is what others see; [`EmbeddedLog`] keeps it in files of this process, [`KafkaLog`] in a cluster. An
//! embedded partition is a [`SegmentLog`]: [`SegmentLog::append`] hands a [`RecordBatch`] to one writer thread, which
//! writes all that waits in one go, syncs once, and only then answers each batch. A [`Reader`] reads by offset, never past
//! the durable end. A commit says how far records are stored elsewhere; segments below it are deleted when they were kept
//! long enough. The file format is explained in `format.rs`, the folder in `layout.rs`.
//!
//! Invariants: an offset is given once in a partition's life (its [epoch](PartitionPosition::epoch)); an acknowledged
//! record is read exactly once and in order, or its loss is reported as [`Entry::Damaged`]; a failed write or
//! sync is never acknowledged; what is not committed is never deleted; every queue and the disk use are bounded.

mod append_queue;
mod arrivals;
mod batch;
mod config;
mod decisions;
mod disk;
mod embedded_log;
mod embedded_subscription;
mod error;
mod event_log;
#[cfg(test)]
mod faults;
mod folder;
mod forget;
mod format;
#[cfg(feature = "kafka")]
mod kafka;
mod layout;
mod metrics;
mod partitioned_batch;
mod reader;
mod recovery;
mod room;
mod scan;
mod seek;
mod segment_log;
mod segments;
mod shared;
mod slot_file;
mod sparse_index;
mod writer;

pub use batch::RecordBatch;
pub use config::LogConfig;
pub use embedded_log::EmbeddedLog;
pub use error::LogError;
pub use event_log::{EventLog, LogReader, PartitionPosition, PartitionReader, Subscription};
#[cfg(feature = "kafka")]
pub use kafka::{Compression, KafkaConfig, KafkaLog};
pub use metrics::METRICS;
pub use partitioned_batch::PartitionedBatch;
pub use reader::{Entry, Reader};
pub use segment_log::SegmentLog;
