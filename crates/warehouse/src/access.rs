//! What the asking user may do: one definition, rendered as `users.xml` for an engine of our own
//! and as SQL for a configured server.
//!
//! `readonly=1` refuses every setting by URL or `SETTINGS` clause, except the five limits, which
//! are `changeable_in_readonly` between a least value and their maximum: a question can ask for less
//! than the maximum and for nothing else.
//!
//! SELECT is granted on the view `events` alone. The view reads the table with its owner's rights
//! and lets through the rows of the app named first in the query id, which the dispatcher
//! chooses, never whoever wrote the question. `initialQueryID()` is the same in every subquery and
//! on every shard. The view filters by PREWHERE, before anything that the question says: else conditions of the
//! question run on other apps' rows, and tell of them by failing. A row policy on the table with SELECT on the table itself is not enough:
//! `mergeTreeIndex()` then lists the sort key values of all apps, names and ids of events among them.

use crate::ask::AskLimits;

/// The rows that a question may read. An absent or strange query id names no app.
pub(crate) const ROW_FILTER: &str = "app_id = splitByChar('|', initialQueryID())[1]";

/// In a cluster, the view of each shard that `events` is over.
pub(crate) const SHARD_VIEW: &str = "events_shard";

/// A setting of the asking user, and how far a question may lower it.
pub(crate) struct ProfileSetting {
    pub name: &'static str,
    pub value: String,
    /// Where the question may choose: between this and `value`.
    pub min: Option<&'static str>,
}

/// The asking user's profile.
pub(crate) fn ask_profile(limits_max: &AskLimits) -> Vec<ProfileSetting> {
    let fixed = |name, value: &str| ProfileSetting { name, value: value.to_owned(), min: None };
    // Zero means no limit to ClickHouse, so each has a least value too.
    let limit = |name, value: u64| ProfileSetting { name, value: value.to_string(), min: Some("1") };
    vec![
        fixed("readonly", "1"),
        ProfileSetting { name: "max_execution_time", value: seconds(limits_max.time_ms), min: Some("0.001") },
        limit("max_rows_to_read", limits_max.rows_to_read),
        limit("max_memory_usage", limits_max.memory_bytes),
        limit("max_result_rows", limits_max.result_rows),
        limit("max_result_bytes", limits_max.result_bytes),
        // Stop by the clock, not by an estimate of the speed.
        fixed("timeout_before_checking_execution_speed", "0"),
        // Whoever hangs up asks no more.
        fixed("cancel_http_readonly_queries_on_client_close", "1"),
        // In a cluster: a person's events are on one shard, so what is grouped by app and person is computed
        // there, and who asks about one person asks one shard. What a subquery finds, it finds in all shards.
        fixed("optimize_skip_unused_shards", "1"),
        fixed("optimize_distributed_group_by_sharding_key", "1"),
        fixed("distributed_product_mode", "global"),
        fixed("output_format_json_quote_64bit_integers", "0"),
        fixed("output_format_json_quote_denormals", "0"),
    ]
}

/// Milliseconds as ClickHouse takes them.
pub(crate) fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}
