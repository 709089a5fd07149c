use std::path::Path;

use serde::{Deserialize, Serialize};
use suanpan_warehouse::{BackupPlace, Removal, Warehouse};

use crate::backup::{FORMAT, MANIFEST};
use crate::{AccountsError, Commit, Manifest, Result, checksums};

/// What a restore brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Up to where each partition of the log is there: what was acknowledged beyond is not.
    pub commits: Vec<Commit>,
    /// Rows that had been copied and were not counted by the ledger's copy; they were removed again.
    pub uncounted: u64,
}

/// What a backup in this folder holds.
///
/// # Errors
/// There is none, it is not whole, or a later Suanpan made it.
pub fn read_manifest(folder: &Path) -> Result<Manifest> {
    let file = folder.join(MANIFEST);
    let text = std::fs::read(&file).map_err(AccountsError::file(&file))?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|error| AccountsError::Damaged { message: format!("{}: {error}", file.display()) })?;
    if manifest.format == FORMAT {
        return Ok(manifest);
    }
    let message = format!("it is written in format {}, and this Suanpan reads {FORMAT}", manifest.format);
    Err(AccountsError::Invalid { message })
}

/// Whether a backup's files are those that it was made of. Blocks on the disk.
///
/// # Errors
/// A file is missing, or is not what it was.
pub fn verify(folder: &Path, manifest: &Manifest) -> Result<()> {
    checksums::check(folder, &manifest.files)
}

/// Brings the tables back into an empty database, takes away what the ledger's copy does not count, and brings
/// the schema up to date. Afterwards the accounts are equal, and a new log can begin.
///
/// # Errors
/// The database is not empty, has another name or other shards, or the backup is not whole.
pub async fn restore(warehouse: &Warehouse, folder: &Path, manifest: &Manifest) -> Result<Restored> {
    if (warehouse.database(), warehouse.shard_count()) != (manifest.database.as_str(), manifest.shards) {
        let message = format!(
            "the backup is of the database {} on {} shards; this one is {} on {}",
            manifest.database,
            manifest.shards,
            warehouse.database(),
            warehouse.shard_count()
        );
        return Err(AccountsError::Invalid { message });
    }
    let place = match &manifest.disk {
        Some(disk) => {
            BackupPlace::Disk { disk: disk.clone(), folder: format!("{}/{}", manifest.name, manifest.tables) }
        }
        None => {
            let folder = folder.join(&manifest.tables);
            BackupPlace::Folder(std::path::absolute(&folder).map_err(AccountsError::file(&folder))?)
        }
    };
    warehouse.restore(&place).await?;
    warehouse.migrate().await?;
    let uncounted = warehouse.drop_uncounted(Removal::new_job()).await?;
    let ledger = warehouse.ledger_partitions().await?;
    for commit in &manifest.commits {
        let is_it = |l: &&suanpan_warehouse::LedgerPartition| {
            (l.epoch, l.partition) == (commit.epoch, commit.partition)
        };
        let restored = ledger.iter().find(is_it).map_or(0, |ledger| ledger.next_offset);
        if restored < commit.next_offset {
            let message = format!(
                "partition {} of log {} is there up to {restored}, and was committed up to {} when the backup began",
                commit.partition, commit.epoch, commit.next_offset
            );
            return Err(AccountsError::Damaged { message });
        }
    }
    let commit = |l: suanpan_warehouse::LedgerPartition| Commit {
        epoch: l.epoch,
        partition: l.partition,
        next_offset: l.next_offset,
    };
    Ok(Restored { commits: ledger.into_iter().map(commit).collect(), uncounted })
}
