//! Metrics of asking.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

/// Names, units and meanings, for the metrics reference.
pub const METRICS: &[(&str, &str)] = &[
    ("suanpan_answers_total", "Answers by cache use: hit, miss, shared, stale; and `error`."),
    ("suanpan_answers_query_seconds", "Histogram: seconds of computing an answer that was not cached."),
    ("suanpan_answers_rows_read_total", "Rows that computed answers read."),
    ("suanpan_answers_cache_bytes", "Bytes of answers in the cache."),
];

pub(crate) fn answered(cache: &'static str) {
    counter!("suanpan_answers_total", "cache" => cache).increment(1);
}

pub(crate) fn computed(elapsed: Duration, rows: u64) {
    histogram!("suanpan_answers_query_seconds").record(elapsed.as_secs_f64());
    counter!("suanpan_answers_rows_read_total").increment(rows);
}

pub(crate) fn cache_bytes(bytes: u64) {
    // The cache's bound is far below 2^53.
    gauge!("suanpan_answers_cache_bytes").set(bytes as f64);
}
