//! The log through its public interface, on real files.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod corruption;
mod lifecycle;
mod model;
mod reading;
mod retention;
