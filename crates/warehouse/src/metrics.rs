//! The warehouse's metrics. No label is a name that users choose.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::error::WarehouseError;

const ENGINE_UP: &str = "suanpan_warehouse_engine_up";
const ENGINE_RESTARTS: &str = "suanpan_warehouse_engine_restarts_total";
const INSERT_SECONDS: &str = "suanpan_warehouse_insert_seconds";
const INSERT_ROWS: &str = "suanpan_warehouse_insert_rows_total";
const INSERT_BYTES: &str = "suanpan_warehouse_insert_bytes_total";
const ASK_SECONDS: &str = "suanpan_warehouse_ask_seconds";
const ASK_ROWS_READ: &str = "suanpan_warehouse_ask_rows_read_total";
const FAILOVERS: &str = "suanpan_warehouse_failovers_total";
const ERRORS: &str = "suanpan_warehouse_errors_total";

/// Names, units and meanings, for the metrics reference.
pub const METRICS: &[(&str, &str)] = &[
    ("suanpan_warehouse_engine_up", "1 when the engine answers."),
    ("suanpan_warehouse_engine_restarts_total", "Starts after the first."),
    ("suanpan_warehouse_insert_seconds", "Histogram: seconds an insert took, by table."),
    ("suanpan_warehouse_insert_rows_total", "Rows inserted, by table."),
    ("suanpan_warehouse_insert_bytes_total", "Bytes sent, by table."),
    ("suanpan_warehouse_ask_seconds", "Histogram: seconds a question took."),
    ("suanpan_warehouse_ask_rows_read_total", "Rows read for questions."),
    ("suanpan_warehouse_failovers_total", "Nodes of a cluster that were left for another one."),
    ("suanpan_warehouse_errors_total", "Failed calls, by call and kind."),
];

pub(crate) fn engine_up(up: bool) {
    gauge!(ENGINE_UP).set(if up { 1.0 } else { 0.0 });
}

pub(crate) fn engine_restarted() {
    counter!(ENGINE_RESTARTS).increment(1);
}

pub(crate) fn failed_over() {
    counter!(FAILOVERS).increment(1);
}

pub(crate) fn inserted(table: &'static str, rows: usize, bytes: usize, took: Duration) {
    histogram!(INSERT_SECONDS, "table" => table).record(took);
    counter!(INSERT_ROWS, "table" => table).increment(rows as u64);
    counter!(INSERT_BYTES, "table" => table).increment(bytes as u64);
}

pub(crate) fn asked(rows_read: u64, took: Duration) {
    histogram!(ASK_SECONDS).record(took);
    counter!(ASK_ROWS_READ).increment(rows_read);
}

pub(crate) fn failed(call: &'static str, error: &WarehouseError) {
    counter!(ERRORS, "call" => call, "kind" => error.kind()).increment(1);
}
