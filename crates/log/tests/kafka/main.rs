//! What only the cluster's log promises, on real brokers: one shared by the tests that leave it alone, and one of
//! its own for each test that kills or stops it.

#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod brokers;
mod rebalance;
mod setup;
mod topics;
