//! The log through its public interface, on real files.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod corruption;
mod forgetting;
mod lifecycle;
mod model;
mod partitions;
mod reading;
mod retention;
mod seeking;
