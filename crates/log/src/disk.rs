use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How the log reaches segment files and their disk. The second implementation is the faulty one of the tests.
pub(crate) trait Disk: Send + Sync {
    /// Makes a file that begins with `header`, durably: content and name. Replaces a file of that name.
    fn create(&self, path: &Path, header: &[u8]) -> io::Result<Box<dyn SegmentFile>>;
    /// Opens a file that is there.
    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
    /// Makes a file that begins with `header` and goes on with these bytes of another one, durably as in
    /// [`Disk::create`]; says how long it is.
    fn create_copy(&self, path: &Path, header: &[u8], source: (&Path, Range<u64>)) -> io::Result<u64>;
    /// The space of the disk that `dir` is on, as it was at most `age_max` ago.
    fn space(&self, dir: &Path, age_max: Duration) -> io::Result<DiskSpace>;
}

/// How big a disk is, and how much may still be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiskSpace {
    pub bytes: u64,
    pub free_bytes: u64,
}

/// One segment being written.
pub(crate) trait SegmentFile: Send {
    /// Writes some of `bytes` at `position` and says how many.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize>;
    /// Makes all that was written durable.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file to `bytes`.
    fn truncate(&self, bytes: u64) -> io::Result<()>;
}

/// The system's own files.
#[derive(Default)]
pub(crate) struct SystemDisk {
    /// When the space was looked at last, and what it was.
    seen: Mutex<Option<(Instant, DiskSpace)>>,
}

impl Disk for SystemDisk {
    fn create(&self, path: &Path, header: &[u8]) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(create_whole(path, header)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(OpenOptions::new().write(true).open(path)?))
    }

    fn create_copy(&self, path: &Path, header: &[u8], source: (&Path, Range<u64>)) -> io::Result<u64> {
        let (source, range) = source;
        let mut rest = File::open(source)?;
        rest.seek(SeekFrom::Start(range.start))?;
        let mut rest = rest.take(range.end.saturating_sub(range.start));
        let mut copied = 0;
        make_whole(path, |file| {
            file.write_all(header)?;
            copied = header.len() as u64 + io::copy(&mut rest, file)?;
            Ok(())
        })?;
        Ok(copied)
    }

    fn space(&self, dir: &Path, age_max: Duration) -> io::Result<DiskSpace> {
        // Nothing panics under this lock.
        let mut seen = self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((looked, space)) = *seen
            && looked.elapsed() <= age_max
        {
            return Ok(space);
        }
        let found = nix::sys::statvfs::statvfs(dir)?;
        #[allow(clippy::useless_conversion, reason = "the types are narrower on some systems")]
        let bytes = |blocks: nix::libc::fsblkcnt_t| {
            u64::from(blocks).saturating_mul(u64::from(found.fragment_size()))
        };
        let space = DiskSpace { bytes: bytes(found.blocks()), free_bytes: bytes(found.blocks_available()) };
        *seen = Some((Instant::now(), space));
        Ok(space)
    }
}

impl SegmentFile for File {
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, position)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }
}

/// Makes a file so that it is there whole or not at all, whenever the machine stops: written under a temporary
/// name, synced, renamed, folder synced. Open for reading and writing.
pub(crate) fn create_whole(path: &Path, content: &[u8]) -> io::Result<File> {
    make_whole(path, |file| file.write_all(content))
}

fn make_whole(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<File> {
    let temporary = path.with_extension("tmp");
    let made = fill_and_rename(&temporary, path, fill);
    if made.is_err() {
        // Best effort: what stays is removed at the next open.
        let _ = fs::remove_file(&temporary);
    }
    made
}

fn fill_and_rename(
    temporary: &Path,
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(temporary)?;
    fill(&mut file)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    sync_folder_of(path)?;
    Ok(file)
}

/// Makes durable which names the folder that holds `path` has.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
