use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use suanpan_warehouse::{BackupPlace, BackupTable, TableSize};

use crate::accounts::now_ms;
use crate::checksums::{FileSum, files_of};
use crate::{Accounts, AccountsError, Result};

/// The file that makes a folder a backup: it is written last.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The catalog's copy.
pub(crate) const CATALOG: &str = "catalog.sqlite";
/// How a backup is written and read; another number is another way.
pub(crate) const FORMAT: u32 = 1;
/// How often the tables are copied again because something was removed meanwhile.
const TRIES_MAX: u32 = 5;
/// How long a backup waits for removals that are under way.
const REMOVALS_WAIT: Duration = Duration::from_secs(1);
const REMOVALS_WAITS_MAX: u32 = 120;
const NAME_CHARS_MAX: usize = 64;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// How it is written: 1.
    pub format: u32,
    /// Its name.
    pub name: String,
    /// The Suanpan that made it.
    pub suanpan: String,
    /// When it was begun, in milliseconds since 1970-01-01 UTC. What was acknowledged later is not in it, or
    /// only by chance; a restore removes the rest.
    pub begun_ms: i64,
    /// When it was whole.
    pub ended_ms: i64,
    /// The database of the tables.
    pub database: String,
    /// Shards of which the tables were copied.
    pub shards: usize,
    /// The folder of the tables in the backup, or on the servers' disk.
    pub tables: String,
    /// The servers' disk that the tables are on; none if they are in the backup itself.
    pub disk: Option<String>,
    /// Up to where each partition of the log is in it, at least.
    pub commits: Vec<Commit>,
    /// How much each table held when it was whole.
    pub sizes: Vec<TableSize>,
    /// Whether the catalog is in it. One in PostgreSQL is copied by that database's own tools.
    pub has_catalog: bool,
    /// All files but this one.
    pub files: Vec<FileSum>,
}

/// The commit of a partition of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Which life of the partition.
    pub epoch: u64,
    /// Its number.
    pub partition: u32,
    /// The offset behind the last event that is counted.
    pub next_offset: u64,
}

/// Where a backup stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupState {
    /// It is being made.
    Running,
    /// It is whole.
    Finished,
    /// It could not be made, or the process ended before it was.
    Failed,
}

/// A backup, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: BackupState,
    /// Its folder on the machine that made it.
    pub folder: PathBuf,
    /// Why it failed; else empty.
    pub problem: String,
    /// What it holds, without the list of files, once it is whole.
    pub manifest: Option<Manifest>,
}

/// The backups that this process makes, or failed to make.
#[derive(Default)]
pub(crate) struct Backups {
    states: Mutex<BTreeMap<String, (BackupState, String)>>,
}

impl Accounts {
    /// Begins a backup in the background; without a name it is called by the time. Looked at with
    /// [`Self::backup`].
    ///
    /// # Errors
    /// The name is no plain one or taken, a backup is being made, or its folder can't be.
    pub fn start_backup(&self, name: Option<&str>) -> Result<Backup> {
        let name = self.reserve(name)?;
        let this = self.clone();
        let of_task = name.clone();
        tokio::spawn(async move {
            // A failure is in the backup's state.
            let _made = this.make(of_task).await;
        });
        self.backup(&name)
    }

    /// Makes a backup, and returns when it is whole.
    ///
    /// # Errors
    /// As of [`Self::start_backup`]; the tables or the catalog can't be copied.
    pub async fn back_up(&self, name: Option<&str>) -> Result<Manifest> {
        let name = self.reserve(name)?;
        self.make(name).await
    }

    /// A backup by its name.
    ///
    /// # Errors
    /// There is none.
    pub fn backup(&self, name: &str) -> Result<Backup> {
        check_name(name)?;
        let folder = self.folder_of(name);
        let known = self.0.backups.states.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let (state, problem, manifest) = match (known, crate::restore::read_manifest(&folder)) {
            (Some((BackupState::Finished, _)) | None, Ok(manifest)) => {
                let listed = Manifest { files: Vec::new(), ..manifest };
                (BackupState::Finished, String::new(), Some(listed))
            }
            (Some((state, problem)), _) => (state, problem, None),
            (None, Err(_none)) if folder.is_dir() => {
                (BackupState::Failed, "the process ended before it was whole; delete the folder".into(), None)
            }
            (None, Err(_none)) => {
                return Err(AccountsError::NotFound { message: format!("there is no backup {name:?}") });
            }
        };
        Ok(Backup { name: name.to_owned(), state, folder, problem, manifest })
    }

    /// All backups in the folder, by name.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn backups(&self) -> Result<Vec<Backup>> {
        let folder = &self.0.config.backups_dir;
        let listing = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            listing => listing.map_err(AccountsError::file(folder))?,
        };
        let names = listing.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| check_name(name).is_ok()).collect();
        names.sort();
        names.iter().map(|name| self.backup(name)).collect()
    }

    /// Takes a name, and makes its folder: it must be new.
    fn reserve(&self, name: Option<&str>) -> Result<String> {
        let name = match name {
            Some(name) => name.to_owned(),
            None => Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ").to_string(),
        };
        check_name(&name)?;
        let mut states = self.0.backups.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((running, _)) = states.iter().find(|(_, (state, _))| *state == BackupState::Running) {
            return Err(AccountsError::Busy { message: format!("the backup {running:?} is being made") });
        }
        let folder = self.folder_of(&name);
        let backups = &self.0.config.backups_dir;
        private().recursive(true).create(backups).map_err(AccountsError::file(backups))?;
        match private().create(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(AccountsError::Busy { message: format!("there is a backup {name:?} already") });
            }
            made => made.map_err(AccountsError::file(&folder))?,
        }
        states.insert(name.clone(), (BackupState::Running, String::new()));
        Ok(name)
    }

    async fn make(&self, name: String) -> Result<Manifest> {
        let made = self.copy(&name).await;
        let state = match &made {
            Ok(manifest) => {
                tracing::info!(name, files = manifest.files.len(), "a backup is made");
                (BackupState::Finished, String::new())
            }
            Err(error) => {
                tracing::error!(name, %error, "a backup can't be made");
                (BackupState::Failed, error.to_string())
            }
        };
        self.0.backups.states.lock().unwrap_or_else(PoisonError::into_inner).insert(name, state);
        made
    }

    /// Tables first, the ledger first of them; then the catalog, which must know every version of a slot map
    /// that a row was written with.
    async fn copy(&self, name: &str) -> Result<Manifest> {
        let folder = self.folder_of(name);
        let folder = std::path::absolute(&folder).map_err(AccountsError::file(&folder))?;
        let begun_ms = now_ms();
        let commits: Vec<Commit> =
            self.0.warehouse.ledger_partitions().await?.into_iter().map(commit).collect();
        let tables = self.copy_tables(name, &folder).await?;
        let sizes = self.0.warehouse.table_sizes().await?;
        let has_catalog = self.0.catalog.back_up(&folder.join(CATALOG)).await?;
        if !has_catalog {
            tracing::warn!(
                name,
                "the catalog is in PostgreSQL and is not in the backup: copy it with pg_dump"
            );
        }
        let in_folder = folder.clone();
        let files = tokio::task::spawn_blocking(move || files_of(&in_folder))
            .await
            .expect("files_of does not panic")?;
        let manifest = Manifest {
            format: FORMAT,
            name: name.to_owned(),
            suanpan: env!("CARGO_PKG_VERSION").to_owned(),
            begun_ms,
            ended_ms: now_ms(),
            database: self.0.warehouse.database().to_owned(),
            shards: self.0.warehouse.shard_count(),
            tables,
            disk: self.0.config.backup_disk.clone(),
            commits,
            sizes,
            has_catalog,
            files,
        };
        write_manifest(&folder, &manifest)?;
        Ok(manifest)
    }

    /// Copies the tables while no removal is under way; returns the folder they are in. Else rows could be
    /// counted as removed and be there, or the other way round.
    async fn copy_tables(&self, name: &str, folder: &Path) -> Result<String> {
        let warehouse = &self.0.warehouse;
        for attempt in 1..=TRIES_MAX {
            let before = self.no_removals().await?;
            let tables = format!("tables_{attempt}");
            let place = match &self.0.config.backup_disk {
                Some(disk) => BackupPlace::Disk { disk: disk.clone(), folder: format!("{name}/{tables}") },
                None => BackupPlace::Folder(folder.join(&tables)),
            };
            for part in BackupTable::ALL {
                warehouse.back_up(part, &place).await?;
            }
            if warehouse.removals_noted().await? == before {
                return Ok(tables);
            }
            if let BackupPlace::Folder(copied) = &place {
                std::fs::remove_dir_all(copied).map_err(AccountsError::file(copied))?;
            }
            tracing::info!(name, "events were removed while tables were copied; they are copied again");
        }
        Err(AccountsError::Busy { message: "events are being removed all the time: try again later".into() })
    }

    /// Waits until no removal is under way; gives how many steps of removals are noted.
    async fn no_removals(&self) -> Result<u64> {
        for _ in 0..REMOVALS_WAITS_MAX {
            let noted = self.0.warehouse.removals_noted().await?;
            if self.0.warehouse.open_removals().await?.is_empty() {
                return Ok(noted);
            }
            tokio::time::sleep(REMOVALS_WAIT).await;
        }
        Err(AccountsError::Busy {
            message: "a removal of events has been under way for two minutes: try again later".into(),
        })
    }

    fn folder_of(&self, name: &str) -> PathBuf {
        self.0.config.backups_dir.join(name)
    }
}

fn commit(ledger: suanpan_warehouse::LedgerPartition) -> Commit {
    Commit { epoch: ledger.epoch, partition: ledger.partition, next_offset: ledger.next_offset }
}

/// For the owner alone: a backup holds what people did.
fn private() -> DirBuilder {
    let mut folder = DirBuilder::new();
    folder.mode(0o700);
    folder
}

fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_plain =
        (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(plain) && !name.starts_with('.');
    if is_plain {
        return Ok(());
    }
    let message = format!(
        "name: {name:?} is not 1 to {NAME_CHARS_MAX} letters, digits, '-', '_' and '.', not starting with a dot"
    );
    Err(AccountsError::Invalid { message })
}

/// Whole or not at all.
fn write_manifest(folder: &Path, manifest: &Manifest) -> Result<()> {
    let (new, file) = (folder.join("manifest.new"), folder.join(MANIFEST));
    let written = (|| {
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        serde_json::to_writer_pretty(&mut out, manifest)?;
        out.write_all(b"\n")?;
        out.sync_all()?;
        std::fs::rename(&new, &file)?;
        std::fs::File::open(folder)?.sync_all()
    })();
    written.map_err(AccountsError::file(&file))
}
