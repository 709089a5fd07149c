use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::LogError;
use crate::arrivals::unix_ms;
use crate::disk::{create_whole, sync_folder_of};
use crate::format::{FileHeader, Identity, SEGMENT_HEADER_BYTES, VERSION};

/// The names in a log's folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// Makes the folder if it is missing.
    pub(crate) fn make(dir: &Path) -> Result<Self, LogError> {
        fs::create_dir_all(dir).map_err(|error| LogError::io("make the folder", dir, error))?;
        sync_folder_of(dir).map_err(|error| LogError::io("sync the folder of", dir, error))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Removes what an earlier process left half made. Only for who has the lock.
    pub(crate) fn tidy(&self) -> Result<(), LogError> {
        let entries = self.entries()?;
        for entry in entries.iter().filter(|path| path.extension().is_some_and(|end| end == "tmp")) {
            fs::remove_file(entry).map_err(|error| LogError::io("remove", entry, error))?;
        }
        Ok(())
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn meta(&self) -> PathBuf {
        self.dir.join("log.meta")
    }

    pub(crate) fn committed(&self) -> PathBuf {
        self.dir.join("committed")
    }

    pub(crate) fn decided(&self) -> PathBuf {
        self.dir.join("decided")
    }

    /// Twenty digits hold every offset, so names sort as offsets do.
    pub(crate) fn segment(&self, first_offset: u64) -> PathBuf {
        self.dir.join(format!("{first_offset:020}.log"))
    }

    /// The first offsets of the segments that are there, rising.
    pub(crate) fn first_offsets(&self) -> Result<Vec<u64>, LogError> {
        let mut firsts: Vec<u64> = self.entries()?.iter().filter_map(|path| first_offset_of(path)).collect();
        firsts.sort_unstable();
        Ok(firsts)
    }

    /// Reads `log.meta`; makes it for a new log; restores it from a segment when it is lost.
    pub(crate) fn identity(&self, firsts: &[u64], partition: u32) -> Result<Identity, LogError> {
        let path = self.meta();
        if let Some(header) = read_header(&path)? {
            return match header.identity.partition == partition {
                true => Ok(header.identity),
                false => Err(LogError::Foreign { path }),
            };
        }
        let identity = if firsts.is_empty() && !path.exists() {
            let identity = Identity { epoch: rand::random_range(1..=u64::MAX), partition };
            tracing::info!(dir = %self.dir.display(), epoch = identity.epoch, "made a new log");
            identity
        } else {
            let identity = self.identity_from_segments(firsts)?;
            let identity = identity.ok_or_else(|| LogError::IdentityLost { path: path.clone() })?;
            tracing::error!(path = %path.display(), epoch = identity.epoch, "restored the log's lost identity from a segment");
            identity
        };
        let content = header(identity, 0, unix_ms()).encode();
        create_whole(&path, &content).map_err(|error| LogError::io("make", &path, error))?;
        Ok(identity)
    }

    fn identity_from_segments(&self, firsts: &[u64]) -> Result<Option<Identity>, LogError> {
        for first in firsts {
            if let Some(header) = read_header(&self.segment(*first))? {
                return Ok(Some(header.identity));
            }
        }
        Ok(None)
    }

    pub(crate) fn entries(&self) -> Result<Vec<PathBuf>, LogError> {
        let listed =
            fs::read_dir(&self.dir).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        listed.map_err(|error| LogError::io("list", &self.dir, error))
    }

    /// Keeps other processes out, until the file is closed.
    pub(crate) fn lock(&self) -> Result<File, LogError> {
        let path = self.dir.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| LogError::io("open", &path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(LogError::Locked { dir: self.dir.clone() }),
            Err(TryLockError::Error(error)) => Err(LogError::io("lock", &path, error)),
        }
    }
}

/// The header of a file made now. People read its time; the log only reckons ages from it.
pub(crate) fn header(identity: Identity, first_offset: u64, created_unix_ms: u64) -> FileHeader {
    FileHeader { version: VERSION, identity, first_offset, created_unix_ms }
}

/// The file's header; `None` when it is missing, short or damaged; an error when its version is unknown.
pub(crate) fn read_header(path: &Path) -> Result<Option<FileHeader>, LogError> {
    let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
    let read =
        File::open(path).and_then(|file| file.take(SEGMENT_HEADER_BYTES as u64).read_to_end(&mut bytes));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LogError::io("read", path, error)),
    }
    match FileHeader::decode(&bytes) {
        Some(FileHeader { version, .. }) if version != VERSION => {
            Err(LogError::UnknownVersion { path: path.to_owned(), found: version, known: VERSION })
        }
        header => Ok(header),
    }
}

/// The first offset that a segment's name says; `None` for other files.
pub(crate) fn first_offset_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".log")?;
    let named_by_us = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    named_by_us.then(|| digits.parse().ok()).flatten()
}
