//! Where the partitions of an embedded log lie.
//!
//! ```text
//! lock             held by the process that has the log open
//! partitions       how many are written (see `slot_file.rs`: one number, under epoch 1)
//! partition-0/     a partition: its own log.meta, committed, decided and segments (see `format.rs`)
//! partition-1/
//! ```
//!
//! A log of one partition used to lie in the folder itself. Its files are moved into `partition-0` at open, the identity
//! last, each by a rename: wherever that is interrupted, every file is in one of the two places, and the next open moves the
//! rest before it looks at any.
//!
//! How many partitions? Measured with records of 300 bytes and 128 concurrent appends, each with records of one person
//! (release build, ext4 on a virtual disk, 2 cores with as many other busy processes, best and worst of several runs of some seconds),
//! appends per second and the 99th percentile of their time:
//!
//! | partitions | 1 record each | 10 records each |
//! |---|---|---|
//! | 1 | 30,000 to 61,000, 8 to 17 ms | 19,000 to 26,000, 20 to 24 ms |
//! | 2 | 51,000 to 129,000, 6 to 15 ms | 50,000 to 64,000, 9 to 11 ms |
//! | 4 | 111,000 to 132,000, 5 to 11 ms | 67,000 to 78,000, 9 to 12 ms |
//!
//! While one partition syncs, another is encoded and written. Two take most of that; more would also cut what the pipeline
//! reads into smaller batches. So two are the default.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::LogError;
use crate::disk::sync_folder_of;
use crate::folder::{Folder, first_offset_of};
use crate::slot_file::SlotFile;

const PARTITIONS: [u8; 8] = *b"SUANPART";
/// The number belongs to the folder, whatever the partitions' epochs.
const NO_EPOCH: u64 = 1;

/// The folder of a log, locked and in today's layout.
#[derive(Debug)]
pub(crate) struct Layout {
    folder: Folder,
}

impl Layout {
    /// Makes the folder or takes it over. The file is its lock.
    pub(crate) fn prepare(dir: &Path) -> Result<(Self, File), LogError> {
        let folder = Folder::make(dir)?;
        let lock = folder.lock()?;
        folder.tidy()?;
        let layout = Self { folder };
        layout.move_single_partition()?;
        Ok((layout, lock))
    }

    /// The folder of a partition; made if it is missing.
    pub(crate) fn partition(&self, partition: u32) -> Result<Folder, LogError> {
        let folder = Folder::make(&self.folder.dir().join(format!("partition-{partition}")))?;
        folder.tidy()?;
        Ok(folder)
    }

    /// One more than the highest partition that is there.
    pub(crate) fn found(&self) -> Result<u32, LogError> {
        let entries = self.folder.entries()?;
        let numbers = entries.iter().filter_map(|path| {
            let digits = path.file_name()?.to_str()?.strip_prefix("partition-")?;
            digits.parse::<u32>().ok().filter(|number| number.to_string() == digits)
        });
        Ok(numbers.max().map_or(0, |highest| highest.saturating_add(1)))
    }

    /// How many partitions were written when the log was open last, if that is known.
    pub(crate) fn written(&self) -> Result<Option<u32>, LogError> {
        let path = self.number_file();
        let opened = SlotFile::<1>::open(&path, PARTITIONS, NO_EPOCH);
        let opened = opened.map_err(|error| LogError::io("read", &path, error))?;
        Ok(opened.and_then(|(_, [number])| u32::try_from(number).ok()))
    }

    /// From now on, so many partitions are written.
    pub(crate) fn write(&self, partitions: u32) -> Result<(), LogError> {
        let path = self.number_file();
        let made = SlotFile::create(&path, PARTITIONS, NO_EPOCH, [u64::from(partitions)]);
        made.map(drop).map_err(|error| LogError::io("make", &path, error))
    }

    fn number_file(&self) -> PathBuf {
        self.folder.dir().join("partitions")
    }

    fn move_single_partition(&self) -> Result<(), LogError> {
        let mut files = self.folder.entries()?;
        files.retain(|path| first_offset_of(path).is_some());
        let companions = [self.folder.committed(), self.folder.decided(), self.folder.meta()];
        files.extend(companions.into_iter().filter(|path| path.exists()));
        if files.is_empty() {
            return Ok(());
        }
        let target = self.partition(0)?;
        for file in &files {
            let name = file.file_name().expect("a listed file has a name");
            let moved = target.dir().join(name);
            if moved.exists() {
                // Only another program, or a person, can have put it here since.
                return Err(LogError::Foreign { path: file.clone() });
            }
            fs::rename(file, &moved).map_err(|error| LogError::io("move", file, error))?;
        }
        for folder in [target.meta(), self.folder.meta()] {
            sync_folder_of(&folder).map_err(|error| LogError::io("sync the folder of", &folder, error))?;
        }
        tracing::info!(dir = %self.folder.dir().display(), files = files.len(), "moved the log's files into partition-0");
        Ok(())
    }
}
