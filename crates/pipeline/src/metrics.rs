//! The pipeline's metrics.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::dedupe::RecentIds;
use crate::now_ms;

/// Names, units and meanings, for the metrics reference.
pub const METRICS: &[(&str, &str)] = &[
    ("suanpan_pipeline_events_total", "Events by outcome: stored, duplicate, rejected, refused, lost."),
    ("suanpan_pipeline_batch_events", "Events of the last batch."),
    ("suanpan_pipeline_batch_seconds", "Histogram: seconds from reading a batch to its commit."),
    (
        "suanpan_pipeline_delay_seconds",
        "Histogram: seconds from receipt to being stored, of the oldest event of a batch.",
    ),
    ("suanpan_pipeline_workers_total", "Partitions of the log that were taken over."),
    (
        "suanpan_pipeline_workers_ended_total",
        "Partitions that were given up, by why: revoked, fenced, gave_way (others needed its turn), failed.",
    ),
    ("suanpan_pipeline_dedupe_ids", "Event ids kept in memory, by partition."),
    ("suanpan_pipeline_dedupe_bytes", "Bytes that these take."),
    (
        "suanpan_pipeline_dedupe_window_seconds",
        "How far back ids are in memory, by partition; duplicates of older events are found by asking the store.",
    ),
    (
        "suanpan_pipeline_dedupe_bounded_total",
        "Times that dedupe_ids_max cut the window short; duplicates are still found, by asking the store.",
    ),
    ("suanpan_pipeline_store_lookups_total", "Events too old for the memory, looked up in the store."),
    ("suanpan_pipeline_dead_letter_total", "Refused events, by whether they are kept in the dead letter."),
    ("suanpan_pipeline_dead_letter_bytes", "Bytes on disk of the dead letter."),
    (
        "suanpan_pipeline_store_refused_total",
        "Accepted events that ClickHouse refused; they are in the dead letter.",
    ),
    (
        "suanpan_pipeline_store_unwell_total",
        "Times that ClickHouse refused too many events to put them into the dead letter; they wait.",
    ),
    ("suanpan_pipeline_retries_total", "Tries of the warehouse that failed and were made again."),
];

pub(crate) fn outcome(outcome: &'static str, events: u64) {
    if events > 0 {
        counter!("suanpan_pipeline_events_total", "outcome" => outcome).increment(events);
    }
}

pub(crate) fn batch(events: usize, elapsed: Duration, oldest_delay_ms: Option<i64>) {
    // Batches and delays are far below 2^53.
    gauge!("suanpan_pipeline_batch_events").set(events as f64);
    histogram!("suanpan_pipeline_batch_seconds").record(elapsed.as_secs_f64());
    if let Some(delay) = oldest_delay_ms {
        histogram!("suanpan_pipeline_delay_seconds").record(delay as f64 / 1e3);
    }
}

pub(crate) fn dedupe(partition: u32, recent: &RecentIds, bounded: bool) {
    let window_ms = now_ms() - recent.horizon_ms();
    // All far below 2^53.
    dedupe_gauges(partition, [recent.len() as f64, recent.bytes() as f64, window_ms.max(0) as f64 / 1e3]);
    counter!("suanpan_pipeline_dedupe_bounded_total").increment(u64::from(bounded));
}

/// The partition is no longer ours.
pub(crate) fn dedupe_gone(partition: u32) {
    dedupe_gauges(partition, [0.0; 3]);
}

fn dedupe_gauges(partition: u32, [ids, bytes, window_s]: [f64; 3]) {
    let partition = partition.to_string();
    gauge!("suanpan_pipeline_dedupe_ids", "partition" => partition.clone()).set(ids);
    gauge!("suanpan_pipeline_dedupe_bytes", "partition" => partition.clone()).set(bytes);
    gauge!("suanpan_pipeline_dedupe_window_seconds", "partition" => partition).set(window_s);
}

pub(crate) fn worker_began() {
    counter!("suanpan_pipeline_workers_total").increment(1);
}

pub(crate) fn worker_ended(why: &'static str) {
    counter!("suanpan_pipeline_workers_ended_total", "why" => why).increment(1);
}

pub(crate) fn store_refused(events: usize) {
    counter!("suanpan_pipeline_store_refused_total").increment(events as u64);
}

pub(crate) fn store_unwell() {
    counter!("suanpan_pipeline_store_unwell_total").increment(1);
}

pub(crate) fn store_lookups(events: usize) {
    counter!("suanpan_pipeline_store_lookups_total").increment(events as u64);
}

pub(crate) fn dead_letter(kept: usize, not_kept: usize) {
    for (is_kept, events) in [("true", kept), ("false", not_kept)] {
        if events > 0 {
            counter!("suanpan_pipeline_dead_letter_total", "kept" => is_kept).increment(events as u64);
        }
    }
}

pub(crate) fn dead_letter_bytes(bytes: u64) {
    // Far below 2^53.
    gauge!("suanpan_pipeline_dead_letter_bytes").set(bytes as f64);
}

pub(crate) fn retry() {
    counter!("suanpan_pipeline_retries_total").increment(1);
}
