use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

/// A clock that runs as ours does, and can be stepped: of all processes with its environment.
pub struct Clock {
    library: PathBuf,
    folder: TempDir,
}

impl Clock {
    /// A clock that is right.
    ///
    /// # Panics
    /// libfaketime can't be had.
    pub async fn make() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/fetch_faketime.py");
        let output = Command::new("python3").arg("-B").arg(script).stderr(Stdio::inherit()).output().await;
        let output = output.expect("there is Python");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "libfaketime can't be fetched: {said}");
        let library = said.lines().last().expect("the script ends with the library's path").into();
        let clock = Self { library, folder: tempfile::tempdir().expect("a folder can be made") };
        clock.step("+0");
        clock
    }

    /// Sets it off from the true time, by a text such as `-1d`.
    pub fn step(&self, offset: &str) {
        let partial = self.offset_file().with_extension("new");
        std::fs::write(&partial, format!("{offset}\n")).expect("a file can be written");
        std::fs::rename(&partial, self.offset_file()).expect("it can be renamed");
    }

    /// What makes a process run by it. Its timers go on as before, as when a real clock is stepped.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.offset_file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn offset_file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }
}
