use std::io;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::window::Position;

/// The layout of the state file; another one is not read.
const VERSION: u32 = 1;

/// How far an import is: up to here every line is acknowledged by the gateway, or is among the
/// rejects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// SHA-256 of the file's unpacked content.
    pub file: String,
    /// What else must be the same for going on.
    pub fingerprint: String,
    /// The first line that is not done.
    pub next: Position,
    /// Bytes of the rejects file that belong to lines before it.
    pub rejects_bytes: u64,
    /// What became of the lines before it.
    pub counts: Counts,
}

impl State {
    /// The state after some lines.
    pub fn new(file: String, fingerprint: String, next: Position) -> Self {
        Self { version: VERSION, file, fingerprint, next, rejects_bytes: 0, counts: Counts::default() }
    }

    /// Whether this is about the same file with the same options.
    pub fn continues(&self, fresh: &Self) -> bool {
        (self.version, &self.file, &self.fingerprint) == (fresh.version, &fresh.file, &fresh.fingerprint)
    }
}

/// The file a state is kept in.
///
/// It is replaced as a whole, so that a kill leaves the old or the new one. It is not synced:
/// should the machine lose power and the file be old or gone, the lines reported since come again
/// under the same ids and count once.
pub struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// The file at this path, which need not be there.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Finds out now rather than after the first batch whether the folder can be written.
    ///
    /// # Errors
    /// It can't; the message says what to do.
    pub fn check_writable(&self) -> Result<()> {
        let draft = self.draft();
        std::fs::write(&draft, b"").and_then(|()| std::fs::remove_file(&draft)).with_context(|| {
            format!(
                "can't write into the folder of {}, where the import keeps its place and the bad lines; \
                 name a file in another folder with --rejects",
                self.path.display()
            )
        })
    }

    /// The state, if there is one that can be read.
    pub fn read(&self) -> Option<State> {
        serde_json::from_slice(&std::fs::read(&self.path).ok()?).ok()
    }

    /// Writes the state.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn write(&self, state: &State) -> Result<()> {
        let text = serde_json::to_vec(state).expect("a state is always JSON");
        let draft = self.draft();
        std::fs::write(&draft, text)
            .and_then(|()| std::fs::rename(&draft, &self.path))
            .with_context(|| format!("can't write the import's place to {}", self.path.display()))
    }

    /// Removes the state: the import is done, or begins anew.
    ///
    /// # Errors
    /// The file can't be removed.
    pub fn remove(&self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("can't remove {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }

    fn draft(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_and_fits_only_its_import() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::new(folder.path().join("shop.csv.suanpan-import.json"));
        assert_eq!(file.read(), None);
        file.check_writable().unwrap();
        let mut state = State::new("hash".into(), "options".into(), Position { line: 2, offset: 10 });
        state.counts.lines = 7;
        file.write(&state).unwrap();
        assert_eq!(file.read(), Some(state.clone()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

        let fresh = |file: &str, options: &str| {
            State::new(file.into(), options.into(), Position { line: 1, offset: 0 })
        };
        assert!(state.continues(&fresh("hash", "options")));
        assert!(!state.continues(&fresh("other", "options")));
        assert!(!state.continues(&fresh("hash", "others")));

        std::fs::write(&file.path, b"{\"version\":1").unwrap();
        assert_eq!(file.read(), None);
        file.remove().unwrap();
        file.remove().unwrap();
        assert!(!file.path.exists());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named_with_a_way_out() {
        let file = StateFile::new("/proc/no-such-folder/shop.csv.suanpan-import.json".into());
        let error = format!("{:#}", file.check_writable().unwrap_err());
        assert!(error.contains("/proc/no-such-folder") && error.contains("--rejects"), "{error}");
    }
}
