//! Every metric of the log, with its unit. None has labels but those named here.
//!
//! | metric | kind | is |
//! |---|---|---|
//! | `suanpan_log_appended_records_total` | counter | records made durable |
//! | `suanpan_log_appended_bytes_total` | counter | their bytes on disk, headers included |
//! | `suanpan_log_fsync_duration_seconds` | histogram | one sync of the segment |
//! | `suanpan_log_group_records` | histogram | records that shared one sync |
//! | `suanpan_log_group_batches` | histogram | appends that shared one sync |
//! | `suanpan_log_lag_records` | gauge | durable records that are not committed |
//! | `suanpan_log_disk_bytes` | gauge | bytes of all segments |
//! | `suanpan_log_segments` | gauge | segment files |
//! | `suanpan_log_damaged_records_total` | counter | offsets a reader found lost |
//! | `suanpan_log_torn_bytes_total` | counter | bytes cut from the tail at open |
//! | `suanpan_log_queue_full_total` | counter | appends refused because too much waited |
//! | `suanpan_log_append_failures_total` | counter | appends refused by `reason`: `log_full`, `disk_full`, `io` |
//! | `suanpan_log_segments_deleted_total` | counter | segments deleted by retention |

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::LogError;

/// Gives the recorder each metric's unit and meaning; call once after it is installed.
pub fn describe() {
    describe_counter!("suanpan_log_appended_records_total", Unit::Count, "Records made durable");
    describe_counter!(
        "suanpan_log_appended_bytes_total",
        Unit::Bytes,
        "Bytes made durable, headers included"
    );
    describe_histogram!("suanpan_log_fsync_duration_seconds", Unit::Seconds, "One sync of the segment");
    describe_histogram!("suanpan_log_group_records", Unit::Count, "Records that shared one sync");
    describe_histogram!("suanpan_log_group_batches", Unit::Count, "Appends that shared one sync");
    describe_gauge!("suanpan_log_lag_records", Unit::Count, "Durable records that are not committed");
    describe_gauge!("suanpan_log_disk_bytes", Unit::Bytes, "Bytes of all segments");
    describe_gauge!("suanpan_log_segments", Unit::Count, "Segment files");
    describe_counter!("suanpan_log_damaged_records_total", Unit::Count, "Offsets a reader found lost");
    describe_counter!("suanpan_log_torn_bytes_total", Unit::Bytes, "Bytes cut from the tail at open");
    describe_counter!("suanpan_log_queue_full_total", Unit::Count, "Appends refused: too much waited");
    describe_counter!(
        "suanpan_log_append_failures_total",
        Unit::Count,
        "Appends refused by the disk, by reason"
    );
    describe_counter!("suanpan_log_segments_deleted_total", Unit::Count, "Segments deleted by retention");
}

pub(crate) fn group_synced(batches: usize, records: usize, bytes: usize, sync: Duration) {
    counter!("suanpan_log_appended_records_total").increment(records as u64);
    counter!("suanpan_log_appended_bytes_total").increment(bytes as u64);
    histogram!("suanpan_log_fsync_duration_seconds").record(sync.as_secs_f64());
    histogram!("suanpan_log_group_records").record(records as f64);
    histogram!("suanpan_log_group_batches").record(batches as f64);
}

pub(crate) fn lag(records: u64) {
    gauge!("suanpan_log_lag_records").set(records as f64);
}

pub(crate) fn on_disk(segments: usize, bytes: u64) {
    gauge!("suanpan_log_segments").set(segments as f64);
    gauge!("suanpan_log_disk_bytes").set(bytes as f64);
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
