//! The tables, and why they are as they are.
//!
//! # `events_local`
//!
//! One row an event. The figures are from 5 million synthetic events of 20 apps, 60 event names and
//! 31 days (2 cores, engine 26.7); `docs/decisions/003-events-table.md` has all of them.
//!
//! **Partition: `report_date`.** A day is dropped, restored or rewritten in one step. A plain
//! column, so that an INSERT's partition needs no time zone.
//!
//! **Sort key: `(app_id, event, event_time, event_id)`.** A question names its app, mostly its
//! events, always its time. Adding `event_id` costs nothing (92.05 bytes a row with and without)
//! and makes "is this event stored?" a look-up by key: of 5 million events of one day, ten are found
//! in 19 ms, each by reading one granule, against 232 ms by id alone. A bloom filter on the id brings
//! nothing beside that (18 ms). Keeping an hour's events of a person
//! together, `(app_id, event, toStartOfHour(event_time), actor_id, event_time)`, was tried and is
//! worse: 93.8 bytes a row, since the times no longer ascend, and no question was faster; a person
//! seldom does the same thing twice in an hour.
//!
//! **Codecs: ZSTD(1), with Delta before it for times and offsets.** 92.05 bytes a row against
//! 168.5 with the default LZ4; the biggest are `content` (16.3 against 32.3 bytes) and the ids of
//! device and session (16 against 32: they are hexadecimal text). DoubleDelta instead of Delta is
//! worse (93.5). ZSTD on `event_id` brings it to 89.8 where ids ascend with time, and costs nothing
//! where they are random. Category slots stay LZ4: they are dictionary positions, a byte a row or none.
//!
//! **Granularity 8192**, the default: 4096 makes the table 0.7 % larger and nothing faster.
//!
//! **Skip index `by_offset`**, minmax on `log_offset`, 7 KiB for the 5 million rows: reconciliation after
//! a crash asks for the rows past the last commit, and rows that are near in time are near in the
//! log.
//!
//! **Slots** that nobody uses cost nothing on disk: a column of defaults is a few bytes a part.
//!
//! **Durability**: `fsync_after_insert` and `fsync_part_directory`, so that an acknowledged INSERT
//! is on disk. `non_replicated_deduplication_window` remembers the tokens of the last 1,000
//! blocks: the pipeline only ever repeats its last batch, which has at most 400 (a block a day).
//! What is older is found by its offsets.
//!
//! **`min_bytes_for_wide_part` is 128 MiB.** By default, 10 MiB, a batch of 20,000 events (19.5 MB uncompressed)
//! became a part with a file or two a column: about 190 files made and synced for each INSERT, which cost 6.0 to
//! 7.3 µs of CPU a row. In one file it is 2.2 to 2.5 µs (0.16 s against 0.59 s for such an INSERT on a busy
//! machine), and merging ten such parts 7.5 to 7.7 µs a row instead of 10.7 to 11.0. Larger parts are as before;
//! the small ones take 87 bytes a row instead of 82.
//!
//! # `ledger_local`
//!
//! What became of the events of each app and minute, and by that the pipeline's commits: one
//! INSERT a batch, after its events. It has no partitions, so that an INSERT is one part and
//! either there or not: the commit is atomic. Its rows melt together by merging (the sums of
//! `events`, the greatest `next_offset`), so that a year at four batches a second is not a hundred
//! million rows.
//!
//! # `dead_letter_local`
//!
//! The events that the gateway refused, each with its reason and its text. `docs/decisions/014`.
//!
//! **`ReplacingMergeTree`, sort key `(app_id, id)`, partition `received_date`.** A record that is sent
//! again, or read from the log again after a crash, has the same id: of one day it is one row. So
//! is a row whose replay is noted: it is the same row with a higher `version`. Looked at with FINAL,
//! each day by itself. Days are the unit of retention: too old ones, and the oldest beyond the bound
//! on bytes, are dropped whole.
//!
//! **Granularity 256**, since rows are long and are looked for by id: a page of a search reads some
//! granules of `raw`, not all of it. The search itself reads the short columns of its range.
//!
//! # `identity_links_local`
//!
//! Two ids of one person and when events linked them. `AggregatingMergeTree` keeps the first and
//! the last time however often a link is written, and in any order.
//!
//! # `learnt_local`
//!
//! The names that an app's events and attributes have: one row a name and batch, which melt
//! together by merging. It has no partitions, so that an INSERT is one part, and its greatest
//! `next_offset` says up to where of the log everything is counted: that makes the counts exact
//! though a batch may be cut elsewhere after a crash.
//!
//! # `events`, `ledger`
//!
//! Views. `events` is what questions read: it lets through the rows of one app, see `access`. Against
//! the table itself the same rows and bytes are read, and answers take 1 to 10 ms more (of 7 to 450):
//! the filter is a constant by then and prunes by the sort key, also where the SQL names no app. A
//! `Merge` or `Alias` table reads the same, but cannot filter.
//!
//! # In a cluster
//!
//! The same statements, with other engines (`layout`): `docs/decisions/018`. Each `x_local` has an `x_all` over
//! the shards, and `events` is over the view of each shard.

mod events;
mod fences;
mod layout;
mod migrations;
mod node;
mod plan;
mod side_tables;

pub(crate) use events::PARTITIONS_MAX;
pub(crate) use fences::{FENCE, FENCED, claims_seen};
pub(crate) use layout::Layout;
pub use plan::PlannedStep;
pub(crate) use plan::{Planner, statements_on_cluster};
pub(crate) use side_tables::{SAMPLES_MAX, UNLISTED_MAX};
