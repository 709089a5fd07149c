use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How the writer reaches segment files. The second implementation is the faulty one of the tests.
pub(crate) trait Disk: Send {
    /// Makes a file that begins with `header`, durably: content and name. Replaces a file of that name.
    fn create(&self, path: &Path, header: &[u8]) -> io::Result<Box<dyn SegmentFile>>;
    /// Opens a file that is there.
    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
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
pub(crate) struct SystemDisk;

impl Disk for SystemDisk {
    fn create(&self, path: &Path, header: &[u8]) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(create_whole(path, header)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(OpenOptions::new().write(true).open(path)?))
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
    let temporary = path.with_extension("tmp");
    let made = write_and_rename(&temporary, path, content);
    if made.is_err() {
        // Best effort: what stays is removed at the next open.
        let _ = fs::remove_file(&temporary);
    }
    made
}

fn write_and_rename(temporary: &Path, path: &Path, content: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(temporary)?;
    file.write_all(content)?;
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
