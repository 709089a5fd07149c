//! Copies the tables to a folder or disk of the engine, and brings them back, by the engine's own BACKUP.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::{Client, Statement, quoted};
use crate::error::{Result, WarehouseError};
use crate::lookup::Lookup;
use crate::warehouse::Warehouse;

/// How often a backup under way is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Where a backup is, as the engine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupPlace {
    /// A folder that the engine may write: for an engine of our own, one in [`crate::EngineConfig::backups_dir`].
    Folder(PathBuf),
    /// A folder of a disk that the servers' own configuration allows for backups.
    Disk {
        /// The disk's name.
        disk: String,
        /// The folder.
        folder: String,
    },
}

impl BackupPlace {
    fn sql(&self, part: &str) -> String {
        match self {
            Self::Folder(folder) => format!("File({})", quoted(&folder.join(part).display().to_string())),
            Self::Disk { disk, folder } => {
                format!("Disk({}, {})", quoted(disk), quoted(&format!("{folder}/{part}")))
            }
        }
    }
}

/// A part of a backup, in the order in which they must be made: the ledger is copied before the events, so that
/// it never counts what is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupTable {
    /// What was committed.
    Ledger,
    /// All other tables.
    Rest,
}

impl BackupTable {
    /// In order.
    pub const ALL: [Self; 2] = [Self::Ledger, Self::Rest];

    fn name(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Rest => "rest",
        }
    }

    fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Ledger => &["ledger_local"],
            // Of `owners` the definition alone is copied: a restored table belongs to nobody.
            Self::Rest => &[
                "schema_versions",
                "placements",
                "owners",
                "removed_local",
                "removal_steps_local",
                "dead_letter_local",
                "identity_links_local",
                "learnt_local",
                "events_local",
            ],
        }
    }
}

/// How much a table holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSize {
    /// Its name.
    pub table: String,
    /// Rows, over all shards.
    pub rows: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Warehouse {
    /// Copies a part of the tables of every shard, and returns when the copy is whole.
    ///
    /// # Errors
    /// ClickHouse does not answer, or refuses: nothing allows it this place, or something is there.
    pub async fn back_up(&self, what: BackupTable, to: &BackupPlace) -> Result<()> {
        for (number, shard) in (1..).zip(self.shards()) {
            let place = to.sql(&format!("shard_{number}/{}", what.name()));
            let statement = format!("BACKUP {} TO {place} ASYNC", self.list(what));
            wait(shard, &statement, "BACKUP_CREATED").await?;
        }
        Ok(())
    }

    /// Brings the tables of every shard back, into a database that has none of them, as far as they were in the
    /// backup. [`Self::migrate`] must follow.
    ///
    /// # Errors
    /// As of [`Self::back_up`]; [`WarehouseError::AccessRefused`] if there are tables.
    pub async fn restore(&self, from: &BackupPlace) -> Result<()> {
        for (number, shard) in (1..).zip(self.shards()) {
            shard.run(&format!("CREATE DATABASE IF NOT EXISTS {}", self.database())).await?;
            let sql = format!("SELECT name FROM system.tables WHERE database = {}", quoted(self.database()));
            let found = shard.text(Statement { sql: &sql, ..Statement::default() }).await?;
            if let Some(table) = found.lines().next() {
                return Err(WarehouseError::AccessRefused {
                    message: format!(
                        "the database {} has tables already ({table}, for one): restore into an empty one",
                        self.database()
                    ),
                });
            }
            for what in BackupTable::ALL {
                let place = from.sql(&format!("shard_{number}/{}", what.name()));
                wait(shard, &format!("RESTORE {} FROM {place} ASYNC", self.list(what)), "RESTORED").await?;
            }
        }
        Ok(())
    }

    /// Deletes the rows that the ledger does not count: those that were stored after it was copied. For tables
    /// that were just restored, which nobody writes to.
    ///
    /// # Errors
    /// As of [`Self::remove`].
    pub async fn drop_uncounted(&self, job: u64) -> Result<u64> {
        let counted = |p: crate::LedgerPartition| {
            format!(
                "(log_epoch = {} AND log_partition = {} AND log_offset < {})",
                p.epoch, p.partition, p.next_offset
            )
        };
        // Rows of no log were put there by hand; the audit will speak of them.
        let counted: Vec<String> = ["log_epoch = 0".to_owned()]
            .into_iter()
            .chain(self.ledger_partitions().await?.into_iter().map(counted))
            .collect();
        let uncounted = format!("NOT ({})", counted.join(" OR "));
        let mut dropped = 0;
        for table in ["events", "dead_letter"] {
            let sql = format!("SELECT count() AS number FROM {} WHERE {uncounted}", self.table(table));
            let rows = self.one_number(Lookup::new(sql)).await?;
            if rows > 0 {
                let mark = format!("uncounted {job}");
                self.mutate(table, &format!("DELETE WHERE {uncounted}"), Lookup::default(), &mark).await?;
            }
            dropped += rows;
        }
        Ok(dropped)
    }

    /// How many shards hold the tables: 1 if it is no cluster.
    pub fn shard_count(&self) -> usize {
        self.shards().len()
    }

    /// How much each table holds, over all shards.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn table_sizes(&self) -> Result<Vec<TableSize>> {
        let sql = format!(
            "SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM system.parts \
             WHERE database = {} AND active GROUP BY table ORDER BY table FORMAT JSONEachRow",
            quoted(self.database())
        );
        let mut sizes: Vec<TableSize> = Vec::new();
        for shard in self.shards() {
            let options = vec![("output_format_json_quote_64bit_integers", "0".to_owned())];
            let text = shard.text(Statement { sql: &sql, options, data: None }).await?;
            for line in text.lines() {
                let size: TableSize = serde_json::from_str(line).map_err(WarehouseError::decode)?;
                match sizes.iter_mut().find(|known| known.table == size.table) {
                    Some(known) => {
                        known.rows += size.rows;
                        known.bytes += size.bytes;
                    }
                    None => sizes.push(size),
                }
            }
        }
        Ok(sizes)
    }

    fn list(&self, what: BackupTable) -> String {
        let tables: Vec<String> =
            what.tables().iter().map(|table| format!("TABLE {}.{table}", self.database())).collect();
        tables.join(", ")
    }
}

/// Starts a backup or restore, and waits for it: it may take longer than any statement is given.
async fn wait(shard: &Client, statement: &str, done: &str) -> Result<()> {
    let begun = shard.text(Statement { sql: statement, ..Statement::default() }).await?;
    let id = begun.split('\t').next().unwrap_or_default().trim().to_owned();
    let sql = format!("SELECT status, error FROM system.backups WHERE id = {} FORMAT TSVRaw", quoted(&id));
    loop {
        let text = shard.text(Statement { sql: &sql, ..Statement::default() }).await?;
        let (status, error) = text.split_once('\t').unwrap_or((text.trim(), ""));
        match status {
            status if status == done => return Ok(()),
            "CREATING_BACKUP" | "RESTORING" => tokio::time::sleep(PAUSE).await,
            // Only a server that was started anew does not know it any more.
            "" => return Err(WarehouseError::unavailable("the engine was started anew during a backup")),
            _ => return Err(WarehouseError::Query { code: 598, message: error.trim().to_owned() }),
        }
    }
}
