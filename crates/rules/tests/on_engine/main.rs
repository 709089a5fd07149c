//! Rules on the real engine: golden statements, the slow evaluator, the coercion matrix, escapes
//! and clocks. All tests share one engine.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod agreement;
mod clocks;
mod coercion;
mod data;
mod escapes;
mod evaluator;
mod golden;
mod guide;
mod lists;
mod rig;
