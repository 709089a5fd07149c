//! The SDK against a real gateway, with a catalog and a log on disk, through a relay that breaks things.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod edge;
mod guide;
mod queueing;
mod relay;
mod sending;
mod trouble;
