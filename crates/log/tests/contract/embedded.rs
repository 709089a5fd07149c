use std::fs;
use std::path::Path;
use std::sync::Arc;

use suanpan_log::{EmbeddedLog, EventLog, LogConfig};
use tempfile::TempDir;

use crate::fixture::Fixture;

/// An embedded log in a folder.
pub struct Embedded {
    dir: TempDir,
    partitions: u32,
}

const RECORD_BYTES_MAX: usize = 4000;

impl Fixture for Embedded {
    async fn make(partitions: u32) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), partitions }
    }

    async fn open(&self) -> Arc<dyn EventLog> {
        let config = LogConfig {
            partitions: self.partitions,
            record_bytes_max: RECORD_BYTES_MAX,
            // Tests fill some segments.
            segment_bytes_max: 20_000,
            ..LogConfig::new(self.dir.path().join("log"))
        };
        Arc::new(EmbeddedLog::open(config).unwrap())
    }

    /// A copy of the files, taken while the log is open, is what another process would find after a kill.
    async fn crash(&mut self, log: Arc<dyn EventLog>) {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(&self.dir.path().join("log"), &copy.path().join("log"));
        drop(log);
        self.dir = copy;
    }

    async fn make_anew(&mut self) {
        fs::remove_dir_all(self.dir.path().join("log")).unwrap();
    }

    fn record_bytes_max(&self) -> usize {
        RECORD_BYTES_MAX
    }

    fn batch_too_large(&self) -> (usize, usize) {
        (6, 3500)
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

crate::contract!(Embedded, 48);
