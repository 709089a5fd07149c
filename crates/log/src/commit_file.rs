//! The commit position on disk: two slots of 36 bytes, at bytes 0 and 512 of the file `committed`.
//!
//! ```text
//!  0  magic        8 bytes  "SUANCMIT"
//!  8  epoch        u64
//! 16  next offset  u64      the first that is not committed
//! 24  reserved     8 bytes  0
//! 32  CRC          u32      over bytes 0..32
//! ```
//!
//! Writes alternate between the slots, each in a disk sector of its own, so a torn write spoils at most the newer one;
//! the higher valid offset counts. A commit is written at once, which outlives the process, but
//! synced only before segments are deleted and at close: after a power failure some records
//! are read again, which the warehouse recognizes, and a sync per commit would compete with the appends'.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::disk::create_whole;
use crate::format::u64_at;

const MAGIC: [u8; 8] = *b"SUANCMIT";
const SLOT_BYTES: usize = 36;
const SLOT_STARTS: [u64; 2] = [0, 512];

/// The file, open for writing.
pub(crate) struct CommitFile {
    file: File,
    epoch: u64,
    /// The slot that holds the newest position, which the next write spares.
    newest: usize,
}

impl CommitFile {
    /// Makes the file of a new log, at offset 0, in place of any that is there.
    pub(crate) fn create(path: &Path, epoch: u64, next_offset: u64) -> io::Result<Self> {
        let file = create_whole(path, &encode(epoch, next_offset))?;
        Ok(Self { file, epoch, newest: 0 })
    }

    /// Opens the file and reads the position; `None` where neither slot is this log's and whole.
    pub(crate) fn open(path: &Path, epoch: u64) -> io::Result<Option<(Self, u64)>> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut newest = None;
        for (slot, start) in SLOT_STARTS.into_iter().enumerate() {
            let mut bytes = [0; SLOT_BYTES];
            match file.read_exact_at(&mut bytes, start) {
                Ok(()) => newest = newest.max(decode(&bytes, epoch).map(|offset| (offset, slot))),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error),
            }
        }
        Ok(newest.map(|(next_offset, newest)| (Self { file, epoch, newest }, next_offset)))
    }

    /// Writes a new position into the older slot.
    pub(crate) fn write(&mut self, next_offset: u64) -> io::Result<()> {
        let slot = 1 - self.newest;
        self.file.write_all_at(&encode(self.epoch, next_offset), SLOT_STARTS[slot])?;
        self.newest = slot;
        Ok(())
    }

    /// Makes the written position outlive a power failure.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn encode(epoch: u64, next_offset: u64) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&epoch.to_le_bytes());
    bytes[16..24].copy_from_slice(&next_offset.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..32]);
    bytes[32..36].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; SLOT_BYTES], epoch: u64) -> Option<u64> {
    let crc = crc32fast::hash(&bytes[..32]).to_le_bytes();
    (bytes[0..8] == MAGIC && bytes[32..36] == crc && u64_at(bytes, 8) == epoch).then(|| u64_at(bytes, 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commits 10, 20, 30, spoils the bytes at `spoiled`, and reads the position back.
    fn check(spoiled: &[u64], expected: Option<u64>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("committed");
        let mut commits = CommitFile::create(&path, 7, 0).unwrap();
        for position in [10, 20, 30] {
            commits.write(position).unwrap();
        }
        spoiled.iter().for_each(|at| commits.file.write_all_at(&[0xEE], *at).unwrap());
        let read = CommitFile::open(&path, 7).unwrap().map(|(_, position)| position);
        assert_eq!(read, expected);
        assert!(CommitFile::open(&path, 8).unwrap().is_none(), "another log's position does not count");
    }

    #[test]
    fn the_newest_whole_slot_counts() {
        check(&[], Some(30));
        check(&[512 + 20], Some(20));
        check(&[20], Some(30));
        check(&[20, 512 + 35], None);
    }
}
