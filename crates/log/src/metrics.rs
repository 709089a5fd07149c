//! The log's metrics. None has labels but those named here.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::LogError;

/// Names, units and meanings, for the metrics reference.
pub const METRICS: &[(&str, &str)] = &[
    ("suanpan_log_appended_records_total", "Records made durable."),
    ("suanpan_log_appended_bytes_total", "Their bytes on disk, headers included."),
    ("suanpan_log_fsync_duration_seconds", "Histogram: one sync of the segment."),
    ("suanpan_log_group_records", "Histogram: records that shared one sync."),
    ("suanpan_log_group_batches", "Histogram: appends that shared one sync."),
    ("suanpan_log_lag_records", "By `partition`: durable records that are not committed."),
    (
        "suanpan_log_oldest_unread_seconds",
        "By `partition`: how long the oldest record that is not committed has waited, to a second; 0 if none waits. \
         Records of before a restart count from when their segment was begun.",
    ),
    ("suanpan_log_disk_bytes", "By `partition`: bytes of all segments."),
    ("suanpan_log_segments", "By `partition`: segment files."),
    ("suanpan_log_damaged_records_total", "Offsets a reader found lost."),
    ("suanpan_log_torn_bytes_total", "Bytes cut from the tail at open."),
    ("suanpan_log_queue_full_total", "Appends refused because too much waited."),
    (
        "suanpan_log_append_failures_total",
        "Appends refused by `reason`: `log_full`, `disk_full`, `io`, `unavailable` (Kafka).",
    ),
    ("suanpan_log_segments_deleted_total", "Segments deleted by retention."),
    (
        "suanpan_log_rebalances_total",
        "Kafka: times that partitions were given to this process or taken from it.",
    ),
    ("suanpan_log_partitions_read", "Kafka: partitions that this process reads now."),
    (
        "suanpan_log_delivery_duration_seconds",
        "Histogram, Kafka: from an append to the last acknowledgement.",
    ),
];

pub(crate) fn group_synced(batches: usize, records: usize, bytes: usize, sync: Duration) {
    counter!("suanpan_log_appended_records_total").increment(records as u64);
    counter!("suanpan_log_appended_bytes_total").increment(bytes as u64);
    histogram!("suanpan_log_fsync_duration_seconds").record(sync.as_secs_f64());
    histogram!("suanpan_log_group_records").record(records as f64);
    histogram!("suanpan_log_group_batches").record(batches as f64);
}

pub(crate) fn lag(partition: u32, records: u64) {
    gauge!("suanpan_log_lag_records", "partition" => partition.to_string()).set(records as f64);
}

pub(crate) fn oldest_unread(partition: u32, age_ms: u64) {
    gauge!("suanpan_log_oldest_unread_seconds", "partition" => partition.to_string())
        .set(age_ms as f64 / 1000.0);
}

pub(crate) fn on_disk(partition: u32, segments: usize, bytes: u64) {
    gauge!("suanpan_log_segments", "partition" => partition.to_string()).set(segments as f64);
    gauge!("suanpan_log_disk_bytes", "partition" => partition.to_string()).set(bytes as f64);
}

pub(crate) fn damaged(records: u64) {
    counter!("suanpan_log_damaged_records_total").increment(records);
}

pub(crate) fn torn(bytes: u64) {
    counter!("suanpan_log_torn_bytes_total").increment(bytes);
}

pub(crate) fn queue_full() {
    counter!("suanpan_log_queue_full_total").increment(1);
}

/// Refused before any partition had it. Too much that waits is counted by [`queue_full`].
pub(crate) fn appends_refused(error: &LogError) {
    if !matches!(error, LogError::Overloaded { .. }) {
        appends_failed(1, error);
    }
}

pub(crate) fn appends_failed(batches: usize, error: &LogError) {
    let reason = match error {
        LogError::Full { .. } => "log_full",
        LogError::DiskFull { .. } => "disk_full",
        _ => "io",
    };
    counter!("suanpan_log_append_failures_total", "reason" => reason).increment(batches as u64);
}

pub(crate) fn segments_deleted(segments: usize) {
    counter!("suanpan_log_segments_deleted_total").increment(segments as u64);
}
