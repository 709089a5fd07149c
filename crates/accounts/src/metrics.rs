//! The names of this crate's metrics, with unit and meaning.

use metrics::{counter, gauge};
use suanpan_warehouse::RemovalReason;

const DIFFERENCE: &str = "suanpan_accounts_difference_events";
const LOOKED: &str = "suanpan_accounts_looked_at_seconds";
const REMOVED: &str = "suanpan_accounts_removed_events_total";
const DELETIONS: &str = "suanpan_accounts_deletions_total";
const FAILURES: &str = "suanpan_accounts_failures_total";

/// Names, units and meanings, for the metrics reference.
pub const METRICS: &[(&str, &str)] = &[
    (
        DIFFERENCE,
        "Events of the last hour by which ledger and tables differ, seen twice in a row. Anything but 0 is to be \
         looked into with `suanpan audit`. Told by the process that holds the watch.",
    ),
    (LOOKED, "When the accounts of the last hour were last compared, in seconds since 1970."),
    (REMOVED, "Events removed, by reason: retention, person."),
    (DELETIONS, "Deletions of persons' data that have ended, by state: finished, failed."),
    (FAILURES, "Rounds of a duty that failed and will be tried again, by duty: deletion, retention, look."),
];

pub(crate) fn difference(events: u64, now_ms: i64) {
    gauge!(DIFFERENCE).set(events as f64);
    gauge!(LOOKED).set(now_ms as f64 / 1000.0);
}

pub(crate) fn removed(reason: RemovalReason, events: u64) {
    counter!(REMOVED, "reason" => reason.name()).increment(events);
}

pub(crate) fn deletion_ended(state: &'static str) {
    counter!(DELETIONS, "state" => state).increment(1);
}

pub(crate) fn failed(duty: &'static str) {
    counter!(FAILURES, "duty" => duty).increment(1);
}
