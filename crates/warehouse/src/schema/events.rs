use std::fmt::Write;

use suanpan_event::{Slot, SlotFamily};

use crate::access::ROW_FILTER;

/// Partitions, that is days, that one INSERT of events may touch: a batch of an import over a year
/// fits, a batch of live events touches at most 31.
pub(crate) const PARTITIONS_MAX: usize = 400;

const TIME: &str = "DateTime64(3, 'UTC')";

/// The statement that makes `events_local`. In a cluster only `engine` differs.
pub(super) fn events_local(database: &str, engine: &str) -> String {
    let mut columns = format!(
        "  app_id LowCardinality(String),
  event LowCardinality(String),
  event_time {TIME} CODEC(Delta, ZSTD(1)),
  report_date Date CODEC(ZSTD(1)),
  received_time {TIME} CODEC(Delta, ZSTD(1)),
  client_time Nullable({TIME}) CODEC(ZSTD(1)),
  event_id UUID CODEC(ZSTD(1)),
  actor_id String CODEC(ZSTD(1)),
  user_id String CODEC(ZSTD(1)),
  device_id String CODEC(ZSTD(1)),
  session_id String CODEC(ZSTD(1)),
  platform LowCardinality(String),
  app_version LowCardinality(String),
  library LowCardinality(String),
  content String CODEC(ZSTD(1)),
  slot_map UInt32 CODEC(ZSTD(1)),
  log_epoch UInt64 CODEC(ZSTD(1)),
  log_partition UInt32 CODEC(ZSTD(1)),
  log_offset UInt64 CODEC(Delta, ZSTD(1)),
"
    );
    for slot in SlotFamily::ALL.into_iter().flat_map(Slot::all) {
        let _ = writeln!(columns, "  {slot} {},", slot_type(slot.family()));
    }
    format!(
        "CREATE TABLE IF NOT EXISTS {database}.events_local (
{columns}  INDEX by_offset log_offset TYPE minmax GRANULARITY 1
) ENGINE = {engine}
PARTITION BY report_date
ORDER BY (app_id, event, event_time, event_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1"
    )
}

fn slot_type(family: SlotFamily) -> &'static str {
    match family {
        SlotFamily::Category => "LowCardinality(String)",
        SlotFamily::Text => "String CODEC(ZSTD(1))",
        SlotFamily::Number => "Nullable(Float64) CODEC(ZSTD(1))",
    }
}

/// The statement that makes `ledger_local`. In a cluster only `engine` differs.
pub(super) fn ledger_local(database: &str, engine: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {database}.ledger_local (
  app_id LowCardinality(String),
  minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
  outcome LowCardinality(String),
  code LowCardinality(String),
  events SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
  log_epoch UInt64 CODEC(ZSTD(1)),
  log_partition UInt32 CODEC(ZSTD(1)),
  first_offset SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
  next_offset SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1))
) ENGINE = {engine}
ORDER BY (app_id, minute, outcome, code, log_epoch, log_partition)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1"
    )
}

/// The statements that make what is read, on one machine: `events` for questions, with the rows of
/// their app alone, and `ledger` for ourselves. In a cluster both are over `Distributed` tables.
pub(super) fn views(database: &str) -> [String; 2] {
    [
        format!(
            "CREATE OR REPLACE VIEW {database}.events DEFINER = CURRENT_USER SQL SECURITY DEFINER AS \
             SELECT * FROM {database}.events_local WHERE {ROW_FILTER}"
        ),
        format!("CREATE OR REPLACE VIEW {database}.ledger AS SELECT * FROM {database}.ledger_local"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_its_column() {
        let ddl = events_local("d", "MergeTree");
        for slot in SlotFamily::ALL.into_iter().flat_map(Slot::all) {
            assert!(ddl.contains(&format!("  {slot} ")), "{slot}");
        }
    }
}
