use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use super::draft::ContentHash;

/// A file to import, opened: unpacked on the fly where it is gzip, by its first bytes.
pub struct Source {
    /// The unpacked content.
    pub reader: Box<dyn Read + Send>,
    /// Bytes read so far of the file as it lies on disk.
    pub read_bytes: Arc<AtomicU64>,
}

/// What tells a file from others.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// Of the unpacked content, so that `shop.csv` and `shop.csv.gz` are the same.
    pub content: ContentHash,
    /// Bytes of the unpacked content.
    pub unpacked_bytes: u64,
    /// Bytes on disk.
    pub file_bytes: u64,
}

/// Opens a file.
///
/// # Errors
/// It is not there, not readable, or nothing that can be read twice.
pub fn open(path: &Path) -> Result<Source> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("can't open {shown}"))?;
    ensure!(
        file.metadata().with_context(|| format!("can't look at {shown}"))?.is_file(),
        "{shown} is no file; an import reads it twice, so write the stream to a file first"
    );
    let read_bytes = Arc::new(AtomicU64::new(0));
    let mut packed =
        BufReader::with_capacity(64 * 1024, Counted { file, read_bytes: Arc::clone(&read_bytes) });
    let first = packed.fill_buf().with_context(|| format!("can't read {shown}"))?;
    let reader: Box<dyn Read + Send> = if first.starts_with(&[0x1f, 0x8b]) {
        Box::new(MultiGzDecoder::new(packed))
    } else {
        Box::new(packed)
    };
    Ok(Source { reader, read_bytes })
}

/// Reads a file to its end to know its identity.
///
/// # Errors
/// It can't be read, or is gzip that is damaged.
pub fn identify(path: &Path) -> Result<Identity> {
    let mut source = open(path)?;
    let mut hash = Sha256::new();
    let mut unpacked_bytes = 0;
    let mut chunk = vec![0; 128 * 1024];
    loop {
        match source.reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => {
                hash.update(&chunk[..count]);
                unpacked_bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => bail!("can't read {} beyond {unpacked_bytes} bytes: {error}", path.display()),
        }
    }
    let file_bytes = source.read_bytes.load(Ordering::Relaxed);
    Ok(Identity { content: ContentHash(hash.finalize().into()), unpacked_bytes, file_bytes })
}

struct Counted {
    file: File,
    read_bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read_bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
