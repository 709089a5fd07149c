//! Writes batches: one INSERT, one block, one token, on disk when it returns.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use bytes::Bytes;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::json;
use suanpan_event::{Outcome, report_date};
use uuid::Uuid;

use crate::arrow::encode;
use crate::client::Statement;
use crate::error::{Result, WarehouseError};
use crate::metrics;
use crate::reconcile::insert_prefix;
use crate::rows::{BatchId, EventRow, LedgerEntry};
use crate::schema::PARTITIONS_MAX;
use crate::warehouse::Warehouse;

/// Rows of one batch.
pub const BATCH_ROWS_MAX: usize = 50_000;
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
        for days in by_days(rows) {
            self.insert_days(batch, &days).await?;
        }
        Ok(())
    }

    /// One INSERT, of at most [`PARTITIONS_MAX`] days.
    async fn insert_days(&self, batch: BatchId, rows: &[EventRow<'_>]) -> Result<()> {
        let encoded = encode(batch, rows)?;
        let sql = format!(
            "INSERT INTO {}.events_local ({}) FORMAT ArrowStream",
            self.database(),
            encoded.columns.join(", ")
        );
        let (first, last) = (rows.first().map(|r| r.log_offset), rows.last().map(|r| r.log_offset));
        let part = format!("{}-{}-{}", rows.len(), first.unwrap_or_default(), last.unwrap_or_default());
        let mut options = insert_options(batch, batch.token("events", &part));
        options.push(("max_partitions_per_insert_block", PARTITIONS_MAX.to_string()));
        self.insert("events", rows.len(), Statement { sql: &sql, options, data: Some(encoded.body) }).await
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
        let options = insert_options(batch, batch.token("ledger", ""));
        let statement = Statement { sql: &sql, options, data: Some(body) };
        self.insert("ledger", entries.len().max(1), statement).await
    }

    /// Adds rows to a table beside the events, as lines of JSON, once for each `part` of a batch.
    pub(crate) async fn insert_beside(
        &self,
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
        let mut options = insert_options(batch, batch.token(table, part));
        options.push(("max_partitions_per_insert_block", PARTITIONS_MAX.to_string()));
        self.insert(table, rows.len(), Statement { sql: &sql, options, data: Some(body.into()) }).await
    }

    async fn insert(&self, table: &'static str, rows: usize, statement: Statement<'_>) -> Result<()> {
        let begun = Instant::now();
        let bytes = statement.data.as_ref().map_or(0, Bytes::len);
        match self.writer().text(statement).await {
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
}

/// The rows of a batch in groups of at most [`PARTITIONS_MAX`] days, since more would be refused.
/// Nearly always there is one group; an import of many years may make some.
fn by_days<'r, 'a>(rows: &'r [EventRow<'a>]) -> Vec<Cow<'r, [EventRow<'a>]>> {
    let date = |row: &EventRow<'_>| report_date(row.event_time_ms);
    let days: BTreeSet<Date> = rows.iter().map(date).collect();
    if days.len() <= PARTITIONS_MAX {
        return vec![Cow::Borrowed(rows)];
    }
    let group: HashMap<Date, usize> =
        days.iter().enumerate().map(|(n, day)| (*day, n / PARTITIONS_MAX)).collect();
    let mut groups = vec![Vec::new(); days.len().div_ceil(PARTITIONS_MAX)];
    for row in rows {
        groups[group[&date(row)]].push(row.clone());
    }
    groups.into_iter().map(Cow::Owned).collect()
}

/// One INSERT is one block: it is neither cut (a batch is far below `max_insert_block_size`) nor
/// parsed in parallel pieces. Its query id tells whose it is, see [`Warehouse::end_inserts`].
fn insert_options(batch: BatchId, token: String) -> Vec<(&'static str, String)> {
    vec![
        ("query_id", insert_prefix(batch.epoch, batch.partition) + &Uuid::new_v4().to_string()),
        ("insert_deduplicate", "1".into()),
        ("insert_deduplication_token", token),
        ("async_insert", "0".into()),
        ("max_insert_block_size", "1048576".into()),
        ("min_insert_block_size_rows", "1048576".into()),
        ("min_insert_block_size_bytes", (1_u64 << 30).to_string()),
        ("input_format_parallel_parsing", "0".into()),
        ("wait_end_of_query", "1".into()),
    ]
}

fn ledger_lines(batch: BatchId, entries: &[LedgerEntry]) -> Bytes {
    let line = |app: &str, minute_ms: i64, outcome: &str, code: &str, events: u64| {
        json!({
            "app_id": app, "minute": minute_ms.div_euclid(60_000) * 60, "outcome": outcome, "code": code,
            "events": events, "log_epoch": batch.epoch, "log_partition": batch.partition,
            "first_offset": batch.first, "next_offset": batch.next_offset(),
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
