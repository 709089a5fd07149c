use std::io;
use std::ops::Range;
use std::path::PathBuf;

use crate::slot_file::{DECIDED, SlotFile};

/// The batch that was decided last, kept in the file `decided` (see `slot_file.rs`), which the first decision makes.
#[derive(Debug)]
pub(crate) struct Decisions {
    path: PathBuf,
    epoch: u64,
    file: Option<SlotFile<3>>,
    /// How often was decided: tells the newer of the file's slots.
    count: u64,
    batch: Range<u64>,
}

impl Decisions {
    /// Reads the file. A damaged one counts as none: the batch is then decided anew, which costs a look into the store.
    pub(crate) fn open(path: PathBuf, epoch: u64) -> io::Result<Self> {
        let (file, [count, first, next]) = match SlotFile::open(&path, DECIDED, epoch)? {
            Some((file, numbers)) => (Some(file), numbers),
            None => (None, [0; 3]),
        };
        Ok(Self { path, epoch, file, count, batch: first..next })
    }

    /// The batch that was decided last; empty if none was.
    pub(crate) fn last(&self) -> Range<u64> {
        self.batch.clone()
    }

    pub(crate) fn decide(&mut self, batch: Range<u64>) -> io::Result<()> {
        let numbers = [self.count + 1, batch.start, batch.end];
        match &mut self.file {
            Some(file) => file.write(numbers)?,
            None => self.file = Some(SlotFile::create(&self.path, DECIDED, self.epoch, numbers)?),
        }
        (self.count, self.batch) = (numbers[0], batch);
        Ok(())
    }
}
