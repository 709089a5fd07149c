use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::bad_line::Reject;

/// The file of bad lines, one JSON object a line. It is made only when there is one.
pub struct Rejects {
    path: PathBuf,
    bytes: u64,
}

impl Rejects {
    /// Begins anew: what an earlier import left there goes.
    ///
    /// # Errors
    /// An old file can't be removed.
    pub fn fresh(path: PathBuf) -> Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("can't remove the old {}", path.display()))
            }
            _ => Ok(Self { path, bytes: 0 }),
        }
    }

    /// Goes on with a file of which this many bytes belong to acknowledged batches; what stands
    /// behind them is of a batch that comes again. None if the file is shorter.
    pub fn resume(path: PathBuf, bytes: u64) -> Option<Self> {
        if bytes == 0 {
            return Self::fresh(path).ok();
        }
        let file = OpenOptions::new().write(true).open(&path).ok()?;
        let kept = file.metadata().is_ok_and(|found| found.len() >= bytes) && file.set_len(bytes).is_ok();
        kept.then_some(Self { path, bytes })
    }

    /// Adds bad lines.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn append(&mut self, rejects: &[Reject]) -> Result<()> {
        if rejects.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        for reject in rejects {
            serde_json::to_writer(&mut text, reject).expect("a reject is always JSON, and memory takes it");
            text.push(b'\n');
        }
        let write = || -> io::Result<()> {
            let mut file: File = OpenOptions::new().create(true).append(true).open(&self.path)?;
            file.write_all(&text)
        };
        write().with_context(|| format!("can't write the bad lines to {}", self.path.display()))?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file, if there is one.
    pub fn file(&self) -> Option<&Path> {
        (self.bytes > 0).then_some(&self.path)
    }
}
