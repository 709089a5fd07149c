use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;

use crate::format::{RECORD_HEADER_BYTES, RECORD_MAGIC, RecordCodec, RecordHeader, SEGMENT_HEADER_BYTES};
use crate::sparse_index::Mark;

/// Bytes read from the file at once. Payloads handed out are slices of such a window and keep it alive.
const WINDOW_BYTES: u64 = 256 << 10;

/// Reads one segment's whole records in order and steps over damage to the next of them.
pub(crate) struct SegmentScan {
    file: File,
    codec: RecordCodec,
    /// Where the next record should begin.
    position: u64,
    /// Bytes from here on are not to be read.
    limit: u64,
    /// Offsets from here on are not this segment's.
    fence: u64,
    window: Bytes,
    window_start: u64,
}

/// One whole record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ScannedRecord {
    /// Where its header begins.
    pub start: u64,
    pub offset: u64,
    pub payload: Bytes,
}

impl SegmentScan {
    /// A scan that has read nothing yet: give it bounds with [`SegmentScan::extend`].
    pub(crate) fn open(path: &Path, codec: RecordCodec) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            codec,
            position: SEGMENT_HEADER_BYTES as u64,
            limit: 0,
            fence: 0,
            window: Bytes::new(),
            window_start: 0,
        })
    }

    /// Allows reading up to byte `limit` and below offset `fence`.
    pub(crate) fn extend(&mut self, limit: u64, fence: u64) {
        (self.limit, self.fence) = (limit, fence);
    }

    /// The byte behind the record that was read last.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next whole record within the bounds. Its offset may repeat (a duplicate) or leave some out (damage):
    /// that is for the caller to see.
    pub(crate) fn next(&mut self) -> io::Result<Option<ScannedRecord>> {
        let found = match self.record_at(self.position)? {
            Some(record) => Some(record),
            None => self.search(self.position + 1)?,
        };
        let Some(record) = found.filter(|record| record.offset < self.fence) else { return Ok(None) };
        self.position = record.start + (RECORD_HEADER_BYTES + record.payload.len()) as u64;
        Ok(Some(record))
    }

    /// Goes on at this byte, where a record begins.
    pub(crate) fn go_to(&mut self, position: u64) {
        self.position = position;
    }

    /// The first whole record that begins at byte `from` or later.
    pub(crate) fn search(&mut self, mut from: u64) -> io::Result<Option<ScannedRecord>> {
        // Each turn looks at one window; the overlap finds a header that straddles two.
        while let Some(_header) = self.bytes_at(from, RECORD_HEADER_BYTES)? {
            let window = self.window.slice((from - self.window_start) as usize..);
            for at in magics(&window) {
                if let Some(record) = self.record_at(from + at)? {
                    return Ok(Some(record));
                }
            }
            from += (window.len() - (RECORD_HEADER_BYTES - 1)) as u64;
        }
        Ok(None)
    }

    /// The record that begins at `start`, if one does and it is whole.
    fn record_at(&mut self, start: u64) -> io::Result<Option<ScannedRecord>> {
        let Some(bytes) = self.bytes_at(start, RECORD_HEADER_BYTES)? else { return Ok(None) };
        let Some(header) = RecordHeader::decode(&bytes) else { return Ok(None) };
        let Some(record) = self.bytes_at(start, RECORD_HEADER_BYTES + header.length)? else {
            return Ok(None);
        };
        let whole = self.codec.is_whole(header, &record);
        let payload = record.slice(RECORD_HEADER_BYTES..);
        Ok(whole.then_some(ScannedRecord { start, offset: header.offset, payload }))
    }

    /// `length` bytes from `start`, or `None` where they would reach past the limit or the file's end.
    fn bytes_at(&mut self, start: u64, length: usize) -> io::Result<Option<Bytes>> {
        let end = start + length as u64;
        if end > self.limit {
            return Ok(None);
        }
        let window_end = self.window_start + self.window.len() as u64;
        if start < self.window_start || end > window_end {
            let wanted = (length as u64).max(WINDOW_BYTES).min(self.limit - start);
            self.window = read_up_to(&self.file, start, wanted as usize)?;
            self.window_start = start;
        }
        let at = (start - self.window_start) as usize;
        Ok((at + length <= self.window.len()).then(|| self.window.slice(at..at + length)))
    }
}

impl ScannedRecord {
    /// Where it is, for an index.
    pub(crate) fn mark(&self) -> Mark {
        Mark { offset: self.offset, position: self.start }
    }
}

/// Where in `window` a record's magic stands.
fn magics(window: &[u8]) -> impl Iterator<Item = u64> {
    let fours = window.windows(RECORD_MAGIC.len()).enumerate();
    fours.filter(|(_, four)| *four == RECORD_MAGIC).map(|(at, _)| at as u64)
}

/// Reads `wanted` bytes, fewer where the file ends.
fn read_up_to(file: &File, start: u64, wanted: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; wanted];
    let mut filled = 0;
    while filled < wanted {
        match file.read_at(&mut bytes[filled..], start + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes.into())
}
