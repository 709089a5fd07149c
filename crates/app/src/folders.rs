//! The folders of everything that must survive. They hold what people did, so nobody else on the
//! machine may look into them.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// For the owner alone.
const PRIVATE: u32 = 0o700;
/// What a folder's group and all others may do.
const OF_OTHERS: u32 = 0o077;

/// The data folder as an absolute path, which the engine's child needs; made if it is missing. One
/// that is there keeps its mode: whoever made it may have reasons, and what is in it is private.
///
/// # Errors
/// It can't be made or opened.
pub fn data(data_dir: &Path) -> Result<PathBuf> {
    let shown = data_dir.display();
    let mut folder = DirBuilder::new();
    folder
        .recursive(true)
        .mode(PRIVATE)
        .create(data_dir)
        .with_context(|| format!("can't make the data folder {shown}"))?;
    data_dir.canonicalize().with_context(|| format!("can't open the data folder {shown}"))
}

/// The log's folder in the data folder, open to its owner alone whatever the data folder's mode.
///
/// # Errors
/// It can't be made, or it is open to others and belongs to somebody else.
pub fn log(data_dir: &Path) -> Result<PathBuf> {
    let folder = data_dir.join("log");
    let shown = folder.display();
    match DirBuilder::new().mode(PRIVATE).create(&folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made.with_context(|| format!("can't make the log's folder {shown}"))?,
    }
    // There may have been one already, made by hand or as a disk's mount point.
    let found = fs::metadata(&folder).with_context(|| format!("can't open the log's folder {shown}"))?;
    let mode = found.permissions().mode() & 0o777;
    if found.is_dir() && mode & OF_OTHERS != 0 {
        fs::set_permissions(&folder, Permissions::from_mode(PRIVATE)).with_context(|| {
            format!("can't close the log's folder {shown} to others (its mode is {mode:o})")
        })?;
        tracing::warn!(
            "the log's folder {shown} was open to others (its mode was {mode:o}); it is closed now"
        );
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(folder: &Path) -> u32 {
        fs::metadata(folder).unwrap().permissions().mode() & 0o777
    }

    fn open_to_all(folder: &Path) {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_new_data_folder_is_for_its_owner_and_one_that_is_there_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let made = data(&dir.path().join("a/b")).unwrap();
        assert!(made.is_absolute());
        assert_eq!((mode(&made), mode(&dir.path().join("a"))), (0o700, 0o700));
        open_to_all(&made);
        data(&made).unwrap();
        assert_eq!(mode(&made), 0o755);
    }

    #[test]
    fn the_log_is_for_its_owner_in_any_data_folder() {
        let dir = tempfile::tempdir().unwrap();
        open_to_all(dir.path());
        let made = log(dir.path()).unwrap();
        assert_eq!((made.as_path(), mode(&made)), (dir.path().join("log").as_path(), 0o700));
        open_to_all(&made);
        fs::write(made.join("kept"), "").unwrap();
        log(dir.path()).unwrap();
        assert_eq!(mode(&made), 0o700);
        assert!(made.join("kept").exists());
    }
}
