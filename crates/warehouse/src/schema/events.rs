use std::fmt::Write;

use suanpan_event::{PLACE_KEY_SQL, Slot, SlotFamily};

use super::layout::{DISTRIBUTED, Layout};
use crate::access::{ROW_FILTER, SHARD_VIEW};

/// Partitions, that is days, that one INSERT of events may touch: a batch of an import over a year
/// fits, a batch of live events touches at most 31.
pub(crate) const PARTITIONS_MAX: usize = 400;

/// Parts of events are one file until they have so many bytes uncompressed, about 130,000 rows: see `schema`.
pub(super) const WIDE_PART: &str = "min_bytes_for_wide_part = 134217728";

const TIME: &str = "DateTime64(3, 'UTC')";

/// The statement that makes `events_local`.
pub(super) fn events_local(layout: &Layout) -> String {
    let (database, engine) = (&layout.database, layout.engine("MergeTree", "events_local"));
    let settings = layout.settings();
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
SETTINGS {settings}, {WIDE_PART}"
    )
}

fn slot_type(family: SlotFamily) -> &'static str {
    match family {
        SlotFamily::Category => "LowCardinality(String)",
        SlotFamily::Text => "String CODEC(ZSTD(1))",
        SlotFamily::Number => "Nullable(Float64) CODEC(ZSTD(1))",
    }
}

/// The statement that makes `ledger_local`.
pub(super) fn ledger_local(layout: &Layout) -> String {
    let (database, engine) = (&layout.database, layout.engine("AggregatingMergeTree", "ledger_local"));
    let settings = layout.settings();
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
SETTINGS {settings}"
    )
}

/// What is read is made anew whenever the tables under it changed: a name, and the statement that makes it.
///
/// On one machine `events` is a view. In a cluster the view, `events_shard`, is on each shard, and `events` is
/// over all of them, so that each shard aggregates its own rows. A view over the `Distributed` table would
/// fetch every row first.
///
/// The filter is a PREWHERE: it is done before anything else is. As a WHERE it was merged with the conditions of
/// the question, which then ran on rows of other apps too, and told of them by the errors they made.
pub(super) fn readers(layout: &Layout) -> Vec<(String, String)> {
    let database = &layout.database;
    let walled = |name: &str| {
        format!(
            "CREATE OR REPLACE VIEW {database}.{name} DEFINER = CURRENT_USER SQL SECURITY DEFINER AS \
             SELECT * FROM {database}.events_local PREWHERE {ROW_FILTER}"
        )
    };
    let ledger =
        format!("CREATE OR REPLACE VIEW {database}.ledger AS SELECT * FROM {}", layout.table("ledger"));
    let mut readers = Vec::new();
    match layout.distributed(("events", SHARD_VIEW), PLACE_KEY_SQL) {
        None => readers.push(("events".to_owned(), walled("events"))),
        Some(over_all) => {
            readers.push((SHARD_VIEW.to_owned(), walled(SHARD_VIEW)));
            readers.push(("events".to_owned(), over_all));
        }
    }
    for (table, key) in DISTRIBUTED {
        let (all, local) = (format!("{table}_all"), format!("{table}_local"));
        if let Some(over_all) = layout.distributed((&all, &local), key) {
            readers.push((all, over_all));
        }
    }
    readers.push(("ledger".to_owned(), ledger));
    readers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_its_column() {
        let ddl = events_local(&Layout { database: "d".into(), cluster: None });
        for slot in SlotFamily::ALL.into_iter().flat_map(Slot::all) {
            assert!(ddl.contains(&format!("  {slot} ")), "{slot}");
        }
    }
}
