//! Writes batches: one INSERT, one block, one token, on disk when it returns.
//!
//! In a cluster each row goes to the shard that its place key says, into the table of that shard. A batch of a
//! partition of the log has rows for one shard only, where the number of shards divides that of partitions.
//! What counts for the partition as a whole, its ledger and what it learnt, is on its home shard; while that is
//! away, the partition waits.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use bytes::Bytes;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::json;
use suanpan_event::{Outcome, place_key, report_date};
use uuid::Uuid;

use crate::arrow::encode;
use crate::claim::insert_prefix;
use crate::client::{Client, Statement};
use crate::error::{Result, WarehouseError};
use crate::metrics;
use crate::rows::{BatchId, EventRow, LedgerEntry};
use crate::schema::PARTITIONS_MAX;
use crate::warehouse::Warehouse;

/// Rows of one batch.
pub const BATCH_ROWS_MAX: usize = 200_000;
/// Entries of one batch's ledger: an entry an event at worst.
const LEDGER_ENTRIES_MAX: usize = BATCH_ROWS_MAX;

impl Warehouse {
    /// Stores a batch of at most [`BATCH_ROWS_MAX`] events (or those of it that are not stored yet)
    /// and returns when they are on disk.
    ///
    /// Repeating a batch with the same rows is harmless: ClickHouse knows its token. After a crash in
    /// the midst, some days of the batch may be stored and others not; a repetition stores the rest.
    ///
    /// # Errors
    /// Retryable ones (see [`WarehouseError::is_retryable`]) decide nothing: the batch may or may not
    /// be stored, and can be sent again.
    pub async fn insert_events(&self, batch: BatchId, rows: &[EventRow<'_>]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        if rows.len() > BATCH_ROWS_MAX {
            let message = format!("{} rows are more than {BATCH_ROWS_MAX}", rows.len());
            return Err(WarehouseError::BatchInvalid { message });
        }
        for (shard, rows) in self.by_shard(rows) {
            for days in by_days(&rows, self.days_an_insert()) {
                self.insert_days(shard, batch, &days).await?;
            }
        }
        Ok(())
    }

    /// The rows of each shard.
    fn by_shard<'r, 'a>(&self, rows: &'r [EventRow<'a>]) -> Vec<(usize, Cow<'r, [EventRow<'a>]>)> {
        if self.shards().len() == 1 {
            return vec![(0, Cow::Borrowed(rows))];
        }
        let place = |row: &EventRow<'_>| self.shard_of(place_key(&row.app_id, &row.actor_id));
        let first = place(&rows[0]);
        if rows.iter().all(|row| place(row) == first) {
            return vec![(first, Cow::Borrowed(rows))];
        }
        let mut shards: BTreeMap<usize, Vec<EventRow<'a>>> = BTreeMap::new();
        for row in rows {
            shards.entry(place(row)).or_default().push(row.clone());
        }
        shards.into_iter().map(|(shard, rows)| (shard, Cow::Owned(rows))).collect()
    }

    /// How many days one INSERT may touch. Where there are replicas, one: then what is sent again of a batch has
    /// the same token for each day, also when the replica that is asked lacks days which another one has.
    fn days_an_insert(&self) -> usize {
        let is_replicated = self.layout().cluster.as_ref().is_some_and(|cluster| cluster.replicated);
        if is_replicated { 1 } else { PARTITIONS_MAX }
    }

    /// One INSERT into one shard.
    async fn insert_days(&self, shard: usize, batch: BatchId, rows: &[EventRow<'_>]) -> Result<()> {
        let encoded = encode(batch, rows)?;
        let sql = format!(
            "INSERT INTO {}.events_local ({}) FORMAT ArrowStream",
            self.database(),
            encoded.columns.join(", ")
        );
        let (first, last) = (rows.first().map(|r| r.log_offset), rows.last().map(|r| r.log_offset));
        let part =
            format!("{shard}-{}-{}-{}", rows.len(), first.unwrap_or_default(), last.unwrap_or_default());
        let options = self.insert_options(batch, batch.token("events", &part));
        let statement = Statement { sql: &sql, options, data: Some(encoded.body) };
        self.insert(&self.shards()[shard], ("events", rows.len()), statement).await
    }

    /// Commits a batch: its outcomes and its end, in one atomic INSERT. Without entries one row
    /// that says nothing else is written.
    ///
    /// # Errors
    /// As for [`Self::insert_events`].
    pub async fn insert_ledger(&self, batch: BatchId, entries: &[LedgerEntry]) -> Result<()> {
        if entries.len() > LEDGER_ENTRIES_MAX {
            let message = format!("{} ledger entries are more than {LEDGER_ENTRIES_MAX}", entries.len());
            return Err(WarehouseError::BatchInvalid { message });
        }
        let sql = format!("INSERT INTO {}.ledger_local FORMAT JSONEachRow", self.database());
        let body = ledger_lines(batch, entries);
        let options = self.insert_options(batch, batch.token("ledger", ""));
        let statement = Statement { sql: &sql, options, data: Some(body) };
        self.insert(self.home_of(batch.partition), ("ledger", entries.len().max(1)), statement).await
    }

    /// Adds rows to a table beside the events on a shard, as lines of JSON, once for each `part` of a batch.
    pub(crate) async fn insert_beside(
        &self,
        shard: &Client,
        table: &'static str,
        (batch, part): (BatchId, &str),
        rows: &[impl Serialize],
    ) -> Result<()> {
        let mut body = Vec::with_capacity(rows.len() * 256);
        for row in rows {
            serde_json::to_writer(&mut body, row).expect("a row is always JSON, and a Vec takes all");
            body.push(b'\n');
        }
        let sql = format!("INSERT INTO {}.{table}_local FORMAT JSONEachRow", self.database());
        let options = self.insert_options(batch, batch.token(table, part));
        self.insert(shard, (table, rows.len()), Statement { sql: &sql, options, data: Some(body.into()) })
            .await
    }

    async fn insert(
        &self,
        shard: &Client,
        (table, rows): (&'static str, usize),
        statement: Statement<'_>,
    ) -> Result<()> {
        let begun = Instant::now();
        let bytes = statement.data.as_ref().map_or(0, Bytes::len);
        match shard.text(statement).await.map_err(WarehouseError::of_rows) {
            Ok(_empty) => {
                metrics::inserted(table, rows, bytes, begun.elapsed());
                Ok(())
            }
            Err(error) => {
                metrics::failed("insert", &error);
                Err(error)
            }
        }
    }

    /// One INSERT is one block: it is neither cut (a batch is far below `max_insert_block_size`) nor
    /// parsed in parallel pieces. Its query id tells whose it is, see [`Warehouse::end_inserts`].
    fn insert_options(&self, batch: BatchId, token: String) -> Vec<(&'static str, String)> {
        let mut options = vec![
            ("query_id", insert_prefix(batch.epoch, batch.partition) + &Uuid::new_v4().to_string()),
            ("insert_deduplicate", "1".into()),
            ("insert_deduplication_token", token),
            ("async_insert", "0".into()),
            ("max_insert_block_size", "1048576".into()),
            ("min_insert_block_size_rows", "1048576".into()),
            ("min_insert_block_size_bytes", (1_u64 << 30).to_string()),
            ("max_partitions_per_insert_block", PARTITIONS_MAX.to_string()),
            ("input_format_parallel_parsing", "0".into()),
            ("wait_end_of_query", "1".into()),
        ];
        let quorum = self.layout().cluster.as_ref().map_or(0, |cluster| cluster.insert_quorum);
        if quorum > 1 {
            options.push(("insert_quorum", quorum.to_string()));
        }
        options
    }
}

/// The rows in groups of at most so many days. Where that is [`PARTITIONS_MAX`], nearly always there is one group;
/// an import of many years may make some.
fn by_days<'r, 'a>(rows: &'r [EventRow<'a>], days_max: usize) -> Vec<Cow<'r, [EventRow<'a>]>> {
    let date = |row: &EventRow<'_>| report_date(row.event_time_ms);
    let days: BTreeSet<Date> = rows.iter().map(date).collect();
    if days.len() <= days_max {
        return vec![Cow::Borrowed(rows)];
    }
    let group: HashMap<Date, usize> = days.iter().enumerate().map(|(n, day)| (*day, n / days_max)).collect();
    let mut groups = vec![Vec::new(); days.len().div_ceil(days_max)];
    for row in rows {
        groups[group[&date(row)]].push(row.clone());
    }
    groups.into_iter().map(Cow::Owned).collect()
}

fn ledger_lines(batch: BatchId, entries: &[LedgerEntry]) -> Bytes {
    let line = |app: &str, minute_ms: i64, outcome: &str, code: &str, events: u64| {
        json!({
            "app_id": app, "minute": minute_ms.div_euclid(60_000) * 60, "outcome": outcome, "code": code,
            "events": events, "log_epoch": batch.epoch, "log_partition": batch.partition,
            "first_offset": batch.first, "next_offset": batch.next_offset(), "writer": batch.writer,
        })
        .to_string()
    };
    let lines: Vec<String> = if entries.is_empty() {
        vec![line("", 0, Outcome::Stored.name(), "", 0)]
    } else {
        entries.iter().map(|e| line(e.app_id.as_str(), e.minute_ms, e.outcome, &e.code, e.events)).collect()
    };
    lines.join("\n").into()
}
