//! The accounts over a real log, catalog, pipeline and engine.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod audit;
mod backup;
mod deletion;
mod retention;
mod stations;
