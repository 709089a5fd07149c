//! What is kept beside the events: the dead letter, links between ids, and learnt names.

use super::layout::Layout;

/// Sample values of an attribute.
pub(crate) const SAMPLES_MAX: usize = 5;
/// Names beyond an app's bound that are still told apart, to say how many there are.
pub(crate) const UNLISTED_MAX: usize = 1_000;

const TIME: &str = "DateTime64(3, 'UTC')";

/// The columns that came with where a report came from.
pub(super) fn origin_columns(Layout { database, .. }: &Layout) -> String {
    let text = |name: &str| format!("  ADD COLUMN IF NOT EXISTS {name} LowCardinality(String)");
    let names =
        ["country", "region", "city", "browser", "browser_version", "os", "os_version", "device_type"];
    let columns: Vec<String> = ["linked_id", "ip"]
        .map(|name| format!("  ADD COLUMN IF NOT EXISTS {name} String CODEC(ZSTD(1))"))
        .into_iter()
        .chain(names.map(text))
        .chain(["  ADD COLUMN IF NOT EXISTS is_bot Bool CODEC(ZSTD(1))".to_owned()])
        .collect();
    format!("ALTER TABLE {database}.events_local\n{}", columns.join(",\n"))
}

/// The statement that makes `dead_letter_local`.
pub(super) fn dead_letter_local(layout: &Layout) -> String {
    let (database, engine) =
        (&layout.database, layout.engine("ReplacingMergeTree(version)", "dead_letter_local"));
    let settings = layout.settings();
    format!(
        "CREATE TABLE IF NOT EXISTS {database}.dead_letter_local (
  app_id LowCardinality(String),
  received_date Date CODEC(ZSTD(1)),
  id UUID CODEC(ZSTD(1)),
  received_time {TIME} CODEC(Delta, ZSTD(1)),
  format LowCardinality(String),
  code LowCardinality(String),
  field String CODEC(ZSTD(1)),
  message String CODEC(ZSTD(1)),
  event String CODEC(ZSTD(1)),
  user_id String CODEC(ZSTD(1)),
  device_id String CODEC(ZSTD(1)),
  raw String CODEC(ZSTD(3)),
  draft String CODEC(ZSTD(3)),
  is_replayable Bool,
  clock_correction_ms Nullable(Int64) CODEC(ZSTD(1)),
  may_report_old Bool,
  origin String CODEC(ZSTD(1)),
  log_epoch UInt64 CODEC(ZSTD(1)),
  log_partition UInt32 CODEC(ZSTD(1)),
  log_offset UInt64 CODEC(ZSTD(1)),
  replay_time Nullable({TIME}) CODEC(ZSTD(1)),
  replay_outcome LowCardinality(String),
  replay_code LowCardinality(String),
  replay_message String CODEC(ZSTD(1)),
  replay_job UInt64 CODEC(ZSTD(1)),
  version UInt64 CODEC(ZSTD(1)),
  INDEX by_offset log_offset TYPE minmax GRANULARITY 1
) ENGINE = {engine}
PARTITION BY received_date
ORDER BY (app_id, id)
SETTINGS index_granularity = 256, {settings}"
    )
}

/// The statement that makes `identity_links_local`.
pub(super) fn identity_links_local(layout: &Layout) -> String {
    let (database, engine) =
        (&layout.database, layout.engine("AggregatingMergeTree", "identity_links_local"));
    let settings = layout.settings();
    format!(
        "CREATE TABLE IF NOT EXISTS {database}.identity_links_local (
  app_id LowCardinality(String),
  from_id String CODEC(ZSTD(1)),
  to_id String CODEC(ZSTD(1)),
  first_seen SimpleAggregateFunction(min, {TIME}) CODEC(ZSTD(1)),
  last_seen SimpleAggregateFunction(max, {TIME}) CODEC(ZSTD(1)),
  INDEX by_target to_id TYPE bloom_filter GRANULARITY 1
) ENGINE = {engine}
ORDER BY (app_id, from_id, to_id)
SETTINGS {settings}"
    )
}

/// The statement that makes `learnt_local`.
pub(super) fn learnt_local(layout: &Layout) -> String {
    let (database, engine) = (&layout.database, layout.engine("AggregatingMergeTree", "learnt_local"));
    let settings = layout.settings();
    format!(
        "CREATE TABLE IF NOT EXISTS {database}.learnt_local (
  app_id LowCardinality(String),
  event String CODEC(ZSTD(1)),
  attribute String CODEC(ZSTD(1)),
  log_epoch UInt64 CODEC(ZSTD(1)),
  log_partition UInt32 CODEC(ZSTD(1)),
  first_seen SimpleAggregateFunction(min, {TIME}) CODEC(ZSTD(1)),
  last_seen SimpleAggregateFunction(max, {TIME}) CODEC(ZSTD(1)),
  events SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
  types SimpleAggregateFunction(groupBitOr, UInt8),
  samples SimpleAggregateFunction(groupUniqArrayArray({SAMPLES_MAX}), Array(String)) CODEC(ZSTD(1)),
  unlisted SimpleAggregateFunction(groupUniqArrayArray({UNLISTED_MAX}), Array(UInt64)) CODEC(ZSTD(1)),
  next_offset SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1))
) ENGINE = {engine}
ORDER BY (app_id, event, attribute, log_epoch, log_partition)
SETTINGS {settings}"
    )
}

/// The statements that make `removed_local` and `removal_steps_local`, and let the events be found by when
/// they were received.
pub(super) fn what_was_removed(layout: &Layout) -> Vec<String> {
    let (database, settings) = (&layout.database, layout.settings());
    let removed = layout.engine("AggregatingMergeTree", "removed_local");
    let steps = layout.engine("ReplacingMergeTree(version)", "removal_steps_local");
    vec![
        format!(
            "CREATE TABLE IF NOT EXISTS {database}.removed_local (
  app_id LowCardinality(String),
  minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
  reason LowCardinality(String),
  job UInt64 CODEC(ZSTD(1)),
  events SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1))
) ENGINE = {removed}
ORDER BY (app_id, minute, reason, job)
SETTINGS {settings}"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS {database}.removal_steps_local (
  job UInt64,
  reason LowCardinality(String),
  what String CODEC(ZSTD(1)),
  step LowCardinality(String),
  at {TIME} CODEC(ZSTD(1)),
  version UInt64 CODEC(ZSTD(1))
) ENGINE = {steps}
ORDER BY job
SETTINGS {settings}"
        ),
        format!(
            "ALTER TABLE {database}.events_local \
             ADD INDEX IF NOT EXISTS by_receipt received_time TYPE minmax GRANULARITY 1"
        ),
    ]
}
