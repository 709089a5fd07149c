//! What the cluster's log counts; names and meanings are in the crate's list.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::LogError;

pub(super) fn delivered(records: usize, bytes: usize, took: Duration) {
    counter!("suanpan_log_appended_records_total").increment(records as u64);
    counter!("suanpan_log_appended_bytes_total").increment(bytes as u64);
    histogram!("suanpan_log_delivery_duration_seconds").record(took.as_secs_f64());
}

pub(super) fn refused(error: &LogError) {
    match error {
        LogError::Overloaded { .. } => counter!("suanpan_log_queue_full_total").increment(1),
        LogError::Unavailable { .. } => {
            counter!("suanpan_log_append_failures_total", "reason" => "unavailable").increment(1);
        }
        _ => {}
    }
}

pub(super) fn rebalanced(reads_now: usize) {
    counter!("suanpan_log_rebalances_total").increment(1);
    gauge!("suanpan_log_partitions_read").set(reads_now as f64);
}
