//! A few numbers on disk that are overwritten often: two slots, at bytes 0 and 512 of a small file.
//!
//! ```text
//!  0      magic    8 bytes  "SUANCMIT" in `committed`, "SUANDCID" in `decided`
//!  8      epoch    u64
//! 16      numbers  u64 each
//! 16+8n   CRC      u32      over all before it
//! ```
//!
//! `committed` holds two numbers: the next offset, the first that is not committed, and 0. `decided` holds three: how
//! often was decided, and the batch's first and next offset.
//!
//! Writes alternate between the slots, each in a disk sector of its own, so a torn write spoils at most the newer one;
//! the valid slot with the higher numbers counts, the first number first. A write is made at once, which outlives the
//! process. The commit is synced only before segments are deleted and at close, a decision never: after a power failure
//! some records are read again, which the warehouse recognizes, and syncs here would compete with the appends'.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::disk::create_whole;
use crate::format::u64_at;

const SLOT_STARTS: [u64; 2] = [0, 512];
const HEAD_BYTES: usize = 16;

/// The file that says how far records are stored elsewhere.
pub(crate) const COMMITTED: [u8; 8] = *b"SUANCMIT";
/// The file that says which batch was decided last.
pub(crate) const DECIDED: [u8; 8] = *b"SUANDCID";

/// The file, open for writing.
#[derive(Debug)]
pub(crate) struct SlotFile<const NUMBERS: usize> {
    file: File,
    magic: [u8; 8],
    epoch: u64,
    /// The slot that holds the newest numbers, which the next write spares.
    newest: usize,
}

impl<const NUMBERS: usize> SlotFile<NUMBERS> {
    /// Makes the file in place of any that is there.
    pub(crate) fn create(
        path: &Path,
        magic: [u8; 8],
        epoch: u64,
        numbers: [u64; NUMBERS],
    ) -> io::Result<Self> {
        let file = create_whole(path, &encode(magic, epoch, numbers))?;
        Ok(Self { file, magic, epoch, newest: 0 })
    }

    /// Opens the file and reads the numbers; `None` where neither slot is this log's and whole.
    pub(crate) fn open(
        path: &Path,
        magic: [u8; 8],
        epoch: u64,
    ) -> io::Result<Option<(Self, [u64; NUMBERS])>> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut newest = None;
        for (slot, start) in SLOT_STARTS.into_iter().enumerate() {
            let mut bytes = vec![0; HEAD_BYTES + 8 * NUMBERS + 4];
            match file.read_exact_at(&mut bytes, start) {
                Ok(()) => newest = newest.max(decode(&bytes, magic, epoch).map(|numbers| (numbers, slot))),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error),
            }
        }
        Ok(newest.map(|(numbers, newest)| (Self { file, magic, epoch, newest }, numbers)))
    }

    /// Writes new numbers into the older slot.
    pub(crate) fn write(&mut self, numbers: [u64; NUMBERS]) -> io::Result<()> {
        let slot = 1 - self.newest;
        self.file.write_all_at(&encode(self.magic, self.epoch, numbers), SLOT_STARTS[slot])?;
        self.newest = slot;
        Ok(())
    }

    /// Makes what was written outlive a power failure.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn encode<const NUMBERS: usize>(magic: [u8; 8], epoch: u64, numbers: [u64; NUMBERS]) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend(epoch.to_le_bytes());
    numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    let crc = crc32fast::hash(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}

fn decode<const NUMBERS: usize>(bytes: &[u8], magic: [u8; 8], epoch: u64) -> Option<[u64; NUMBERS]> {
    let (content, crc) = bytes.split_at(HEAD_BYTES + 8 * NUMBERS);
    let whole = crc == crc32fast::hash(content).to_le_bytes();
    let ours = content[..8] == magic && u64_at(content, 8) == epoch;
    (whole && ours).then(|| std::array::from_fn(|at| u64_at(content, HEAD_BYTES + 8 * at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commits 10, 20, 30, spoils the bytes at `spoiled`, and reads the position back.
    fn check(spoiled: &[u64], expected: Option<u64>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("committed");
        let mut commits = SlotFile::create(&path, COMMITTED, 7, [0, 0]).unwrap();
        for position in [10, 20, 30] {
            commits.write([position, 0]).unwrap();
        }
        spoiled.iter().for_each(|at| commits.file.write_all_at(&[0xEE], *at).unwrap());
        let read = SlotFile::<2>::open(&path, COMMITTED, 7).unwrap();
        assert_eq!(read.map(|(_, [position, _])| position), expected);
        let other = SlotFile::<2>::open(&path, COMMITTED, 8).unwrap();
        assert!(other.is_none(), "another log's position does not count");
    }

    #[test]
    fn the_newest_whole_slot_counts() {
        check(&[], Some(30));
        check(&[512 + 20], Some(20));
        check(&[20], Some(30));
        check(&[20, 512 + 35], None);
    }
}
