use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{AccountsError, Result};

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// Its path within the backup.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content, in hex.
    pub sha256: String,
}

/// All files below a folder, in the order of their paths. Blocks on the disk.
pub(crate) fn files_of(folder: &Path) -> Result<Vec<FileSum>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let listing = std::fs::read_dir(&next).map_err(AccountsError::file(&next))?;
        for entry in listing {
            let entry = entry.map_err(AccountsError::file(&next))?;
            let path = entry.path();
            if entry.file_type().map_err(AccountsError::file(&path))?.is_dir() {
                folders.push(path);
                continue;
            }
            let (bytes, sha256) = sum_of(&path)?;
            let path = path.strip_prefix(folder).expect("it is below the folder").to_owned();
            found.push(FileSum { path, bytes, sha256 });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Whether all files are as they were: the first that is not, in words. Blocks on the disk.
pub(crate) fn check(folder: &Path, files: &[FileSum]) -> Result<()> {
    for file in files {
        let path = folder.join(&file.path);
        let (bytes, sha256) = sum_of(&path)?;
        if (bytes, &sha256) != (file.bytes, &file.sha256) {
            let message =
                format!("{} is not what it was: {bytes} bytes instead of {}", path.display(), file.bytes);
            return Err(AccountsError::Damaged { message });
        }
    }
    Ok(())
}

fn sum_of(path: &Path) -> Result<(u64, String)> {
    let mut file = File::open(path).map_err(AccountsError::file(path))?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let (mut sum, mut bytes) = (Sha256::new(), 0);
    loop {
        let read = file.read(&mut buffer).map_err(AccountsError::file(path))?;
        if read == 0 {
            break;
        }
        sum.update(&buffer[..read]);
        bytes += read as u64;
    }
    let hex = sum.finalize().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes all");
        hex
    });
    Ok((bytes, hex))
}
