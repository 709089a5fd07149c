//! The cluster's log: one Kafka topic, whose partitions are the log's.
//!
//! ```text
//! append ─▶ room (bounded) ─▶ idempotent producer, acks=all ─▶ all delivery reports ─▶ Ok
//! subscribe ─▶ group member (one thread polls it) ─▶ a reader for each partition it is given
//! decide(first..next) = commit of `first`, with the range in its metadata; commit(next) = commit of `next`
//! ```
//!
//! Invariants: nothing is acknowledged that was not reported by all in-sync replicas; a partition is given up
//! only when its reader was dropped or the time for that is over, and afterwards that reader can't decide or
//! commit; an offset is skipped only after the broker said that it is not there; brokers that are away never
//! block a caller longer than the stated times. Only `describe.rs` speaks to librdkafka without its wrapper.

mod append;
mod bounds;
mod cluster;
mod config;
mod cursor;
mod describe;
mod feed;
mod log;
mod look;
mod member;
mod metrics;
mod position;
mod quiet;
mod reader;
mod slot;
mod subscription;
mod topic;

pub use config::{Compression, KafkaConfig};
pub use log::KafkaLog;
