//! The settings themselves: this table drives the file, the environment, the command line and
//! the reference page.

use std::path::PathBuf;

use anyhow::Context as _;
use suanpan_warehouse::Secret;

use super::setting::{Kind, Setting, choice, number, optional, whole_number};
use super::settings_edge::EDGE;
use super::settings_log::LOG;
use super::settings_warehouse::WAREHOUSE;

pub(super) const KIB: u64 = 1024;
pub(super) const MIB: u64 = 1024 * KIB;
pub(super) const GIB: u64 = 1024 * MIB;
pub(super) const TIB: u64 = 1024 * GIB;
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];
const FORMATS: &[&str] = &["text", "json"];
pub(super) const FLAGS: &[&str] = &["true", "false"];

/// All settings, by section, in the order of an event's journey.
pub(super) fn settings() -> impl Iterator<Item = &'static Setting> {
    EDGE.iter().chain(LOG).chain(PIPELINE).chain(WAREHOUSE).chain(ASKING)
}

/// From the log into the warehouse.
const PIPELINE: &[Setting] = &[
    number!(
        "pipeline.batch_events_max",
        pipeline.batch_events_max,
        "events",
        1,
        200_000,
        "Events of one insert."
    ),
    number!(
        "pipeline.batch_events_behind_max",
        pipeline.batch_events_behind_max,
        "events",
        1,
        200_000,
        "Events of one insert while many wait: fewer and bigger inserts bring more through."
    ),
    number!(
        "pipeline.batches_at_once_max",
        pipeline.batches_at_once_max,
        "batches",
        1,
        64,
        "Batches that a process has in memory at once, of all its partitions."
    ),
    number!(
        "pipeline.batch_bytes_max",
        pipeline.batch_bytes_max,
        "bytes",
        64 * KIB,
        128 * MIB,
        "Log records of one insert."
    ),
    number!(
        "pipeline.batch_age_ms",
        pipeline.batch_age_ms,
        "ms",
        1,
        60_000,
        "Time an event may wait for others to join its batch."
    ),
    number!(
        "pipeline.dedupe_window_hours",
        pipeline.dedupe_window_hours,
        "hours",
        1,
        720,
        "Event times whose ids are kept in memory; older duplicates are found by asking the store."
    ),
    number!(
        "pipeline.dedupe_ids_max",
        pipeline.dedupe_ids_max,
        "ids",
        1000,
        1_000_000_000,
        "Ids kept in memory, about 50 bytes each."
    ),
    number!(
        "pipeline.retry_pause_ms_max",
        pipeline.retry_pause_ms_max,
        "ms",
        50,
        600_000,
        "Longest pause between tries while the warehouse is away."
    ),
    number!(
        "dead_letter.retention_days",
        pipeline.dead_letter.retention_days,
        "days",
        1,
        3650,
        "Days that refused events are kept."
    ),
    number!(
        "dead_letter.events_per_app_per_day_max",
        pipeline.dead_letter.events_per_app_per_day_max,
        "events",
        0,
        100_000_000,
        "Refused events of one app and day that are kept; more are counted and not kept. 0 keeps none."
    ),
    number!(
        "dead_letter.bytes_max",
        pipeline.dead_letter.bytes_max,
        "bytes",
        MIB,
        TIB,
        "Refused events of all apps on disk; beyond it the oldest days are dropped."
    ),
    number!(
        "learning.names_per_app_max",
        pipeline.learning.names_per_app_max,
        "names",
        0,
        50_000,
        "Events and attributes of events that are learnt of one app; more are counted and not listed."
    ),
    number!(
        "learning.names_in_memory_max",
        pipeline.learning.names_in_memory_max,
        "names",
        1_000,
        100_000_000,
        "Learnt names of all apps kept in memory, about 50 bytes each; others are read again when needed."
    ),
];

/// What is defined, and what is asked.
const ASKING: &[Setting] = &[
    Setting {
        key: "catalog.url",
        doc: "A PostgreSQL for the catalog, such as `postgres://suanpan:secret@db/suanpan?sslmode=require`; empty \
              keeps it in a file of the data folder.",
        unit: "URL",
        kind: Kind::Secret,
        get: |_| String::new(),
        set: |config, text| {
            config.catalog_url = optional(text).map(Secret::new);
            Ok(())
        },
    },
    number!("catalog.apps_max", catalog.apps_max, "apps", 1, 1_000_000, "Apps, deleted ones included."),
    number!(
        "catalog.keys_per_app_max",
        catalog.keys_per_app_max,
        "keys",
        1,
        100_000,
        "Keys of one app that are not revoked."
    ),
    number!(
        "catalog.attributes_per_app_max",
        catalog.attributes_per_app_max,
        "attributes",
        1,
        100_000,
        "Attributes of one app."
    ),
    number!(
        "catalog.planned_events_per_app_max",
        catalog.planned_events_per_app_max,
        "events",
        1,
        100_000,
        "Events of one app's tracking plan."
    ),
    number!(
        "catalog.attributes_per_event_max",
        catalog.attributes_per_event_max,
        "attributes",
        1,
        10_000,
        "Attributes that one planned event lists."
    ),
    number!(
        "catalog.allowed_values_max",
        catalog.allowed_values_max,
        "values",
        1,
        10_000,
        "Values that one attribute lists as allowed."
    ),
    number!(
        "catalog.origins_per_app_max",
        catalog.origins_per_app_max,
        "origins",
        1,
        10_000,
        "Origins of web pages that one app allows."
    ),
    number!("catalog.rules_per_app_max", catalog.rules_per_app_max, "rules", 1, 100_000, "Rules of one app."),
    number!(
        "catalog.rule_versions_max",
        catalog.rule_versions_max,
        "versions",
        1,
        100_000,
        "Versions of one rule."
    ),
    number!("rules.body_bytes_max", rules.body_bytes_max, "bytes", KIB, 16 * MIB, "A rule's JSON text."),
    number!("rules.measures_max", rules.measures_max, "measures", 1, 100, "Measures of one rule."),
    number!(
        "rules.filter_nodes_max",
        rules.filter_nodes_max,
        "conditions",
        1,
        10_000,
        "Conditions of all filters of a rule."
    ),
    number!("rules.filter_depth_max", rules.filter_depth_max, "levels", 1, 32, "Nesting of a filter."),
    number!("rules.in_values_max", rules.in_values_max, "values", 1, 100_000, "Values of one `in`."),
    number!("rules.regex_chars_max", rules.regex_chars_max, "characters", 1, 10_000, "A regular expression."),
    number!(
        "rules.top_max",
        rules.top_max,
        "groups",
        1,
        10_000,
        "Groups named before the rest becomes \"others\"."
    ),
    number!("rules.points_max", rules.points_max, "points", 1, 1_000_000, "Intervals in a range."),
    number!("rules.range_days_max", rules.range_days_max, "days", 1, 36_600, "Length of a range."),
    number!(
        "answers.cache_bytes_max",
        answers.cache_bytes_max,
        "bytes",
        0,
        4 * TIB,
        "Answers kept in memory."
    ),
    number!(
        "answers.closed_range_expires_s",
        answers.closed_range_expires_s,
        "s",
        1,
        31_536_000,
        "How long an answer over a closed range is kept at most; late data ends it earlier."
    ),
    number!(
        "answers.open_range_expires_s",
        answers.open_range_expires_s,
        "s",
        1,
        86_400,
        "How long an answer over a range that goes on is kept at most."
    ),
    number!(
        "answers.serve_stale_ms",
        answers.serve_stale_ms,
        "ms",
        0,
        600_000,
        "How long an answer over a range that goes on is still given, marked as stale, though new data arrived; 0 never."
    ),
    number!(
        "answers.queries_at_once_max",
        answers.queries_at_once_max,
        "questions",
        1,
        10_000,
        "Questions that run in the warehouse at once."
    ),
    number!(
        "answers.queries_waiting_max",
        answers.queries_waiting_max,
        "questions",
        0,
        1_000_000,
        "Questions that may wait for their turn; over it asking gets 503."
    ),
    number!(
        "answers.query_time_ms_max",
        answers.query.time_ms,
        "ms",
        100,
        3_600_000,
        "Time of one question in the warehouse."
    ),
    number!(
        "answers.query_rows_max",
        answers.query.rows_to_read,
        "rows",
        1,
        1_000_000_000_000_000,
        "Rows that one question may read."
    ),
    number!(
        "answers.query_memory_bytes_max",
        answers.query.memory_bytes,
        "bytes",
        MIB,
        4 * TIB,
        "Memory of one question in the warehouse."
    ),
    number!(
        "answers.query_result_rows_max",
        answers.query.result_rows,
        "rows",
        1,
        100_000_000,
        "Rows of one question's result."
    ),
    number!(
        "answers.query_result_bytes_max",
        answers.query.result_bytes,
        "bytes",
        KIB,
        16 * GIB,
        "Bytes of one question's result."
    ),
    number!(
        "accounts.retention_period_s",
        accounts.retention_period_s,
        "s",
        1,
        86_400,
        "Time between two looks for events that are older than their apps keep them."
    ),
    number!(
        "accounts.retention_days_per_round_max",
        accounts.retention_days_per_round_max,
        "days",
        1,
        10_000,
        "Days of events that one round of retention removes at most."
    ),
    number!(
        "accounts.look_period_s",
        accounts.look_period_s,
        "s",
        1,
        86_400,
        "Time between two looks at the accounts of the last hour."
    ),
    number!(
        "accounts.differences_listed_max",
        accounts.differences_listed_max,
        "differences",
        1,
        1_000_000,
        "Differences of one kind that an audit lists; more are counted."
    ),
    Setting {
        key: "accounts.backups_dir",
        doc: "Folder of backups; empty is `backups` in the data folder.",
        unit: "path",
        kind: Kind::Text,
        get: |config| {
            config.accounts_backups_dir.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default()
        },
        set: |config, text| {
            config.accounts_backups_dir = optional(text).map(PathBuf::from);
            Ok(())
        },
    },
    Setting {
        key: "accounts.backup_disk",
        doc: "Disk of the ClickHouse servers that tables are backed up to; empty writes them into the folder of backups.",
        unit: "name",
        kind: Kind::Text,
        get: |config| config.accounts.backup_disk.clone().unwrap_or_default(),
        set: |config, text| {
            config.accounts.backup_disk = optional(text);
            Ok(())
        },
    },
    Setting {
        key: "messages.level",
        doc: "What the process says about itself on standard error.",
        unit: "",
        kind: Kind::Choice(LEVELS),
        get: |config| config.messages.level.clone(),
        set: |config, text| {
            config.messages.level = choice(text, LEVELS)?;
            Ok(())
        },
    },
    Setting {
        key: "messages.format",
        doc: "Lines for people, or JSON for programs.",
        unit: "",
        kind: Kind::Choice(FORMATS),
        get: |config| config.messages.format.clone(),
        set: |config, text| {
            config.messages.format = choice(text, FORMATS)?;
            Ok(())
        },
    },
];
