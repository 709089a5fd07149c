//! What the benchmarks share: the server under test, the empty handler it is compared with, the
//! machine's counters, and the report.
//!
//! Everything is asked of the real binary (`SUANPAN_BIN`) over HTTP, with a data folder of its own.
//! Figures that are compared are taken in one run: on a shared machine only their ratios mean
//! something.

pub mod bare;
pub mod machine;
pub mod report;
pub mod server;
