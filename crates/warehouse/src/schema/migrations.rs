use super::events::{WIDE_PART, events_local, ledger_local};
use super::fences::fences;
use super::layout::Layout;
use super::side_tables::{
    dead_letter_local, identity_links_local, learnt_local, origin_columns, what_was_removed,
};

/// A step from one schema version to the next. Every statement can be run again, and each names the database
/// before anything else that could be taken for it.
pub(super) struct Migration {
    pub version: u32,
    pub name: &'static str,
    pub statements: fn(layout: &Layout) -> Vec<String>,
}

/// All steps in order; the last is the version this Suanpan knows.
pub(super) const MIGRATIONS: [Migration; 8] = [
    Migration {
        version: 1,
        name: "events and ledger",
        statements: |layout| vec![events_local(layout), ledger_local(layout)],
    },
    Migration {
        version: 2,
        name: "where events come from",
        statements: |layout| vec![origin_columns(layout)],
    },
    Migration { version: 3, name: "dead letter", statements: |layout| vec![dead_letter_local(layout)] },
    Migration { version: 4, name: "identity links", statements: |layout| vec![identity_links_local(layout)] },
    Migration { version: 5, name: "learnt names", statements: |layout| vec![learnt_local(layout)] },
    Migration { version: 6, name: "what was removed", statements: what_was_removed },
    Migration { version: 7, name: "one writer for each partition of the log", statements: fences },
    Migration {
        version: 8,
        name: "small parts of events in one file",
        statements: |layout| {
            vec![format!("ALTER TABLE {}.events_local MODIFY SETTING {WIDE_PART}", layout.database)]
        },
    },
];

pub(super) const KNOWN: u32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// The statements that make what the other steps need, on each node.
pub(super) fn beginning(Layout { database, .. }: &Layout) -> [String; 3] {
    let durable = "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1";
    [
        format!("CREATE DATABASE IF NOT EXISTS {database}"),
        format!(
            "CREATE TABLE IF NOT EXISTS {database}.schema_versions \
             (version UInt32, name String, applied_time DateTime('UTC') DEFAULT now()) \
             ENGINE = MergeTree ORDER BY version {durable}"
        ),
        // Over how many shards the rows are spread, and which of them this node's are.
        format!(
            "CREATE TABLE IF NOT EXISTS {database}.placements \
             (shards UInt32, shard UInt32, applied_time DateTime64(3, 'UTC') DEFAULT now64(3)) \
             ENGINE = MergeTree ORDER BY applied_time {durable}"
        ),
    ]
}
