use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::commit_file::CommitFile;
use crate::folder::{Folder, read_header};
use crate::format::{Identity, RecordCodec, SEGMENT_HEADER_BYTES};
use crate::scan::SegmentScan;
use crate::segments::{Segment, Segments};
use crate::{LogConfig, LogError, metrics};

/// A log as it was found at open.
pub(crate) struct Recovered {
    pub folder: Folder,
    pub lock: File,
    pub identity: Identity,
    pub segments: Segments,
    /// The last segment and its length, when appends may go on in it.
    pub appendable: Option<(PathBuf, u64)>,
    pub commit_file: CommitFile,
    pub committed: u64,
}

/// What is left of the last segment after its torn tail was cut.
struct Tail {
    end_offset: u64,
    bytes: u64,
}

/// Opens the folder: lock, identity, headers of all segments, the whole of the last one, commit position.
/// Earlier segments are not read through; damage in them shows when they are read.
pub(crate) fn recover(config: &LogConfig) -> Result<Recovered, LogError> {
    let (folder, lock) = Folder::prepare(&config.dir)?;
    let firsts = folder.first_offsets()?;
    let identity = folder.identity(&firsts)?;
    let mut list = Vec::with_capacity(firsts.len());
    let mut last_header_whole = false;
    for first_offset in &firsts {
        let path = folder.segment(*first_offset);
        last_header_whole = check_header(&path, identity, *first_offset)?;
        let length = path.metadata().map_err(|error| LogError::io("examine", &path, error))?.len();
        list.push(Segment { first_offset: *first_offset, bytes: length });
    }
    let mut end_offset = 0;
    if let Some(last) = list.last_mut() {
        let tail = cut_tail(&folder.segment(last.first_offset), last.first_offset, identity)?;
        (last.bytes, end_offset) = (tail.bytes, tail.end_offset);
    }
    let oldest = firsts.first().copied().unwrap_or(0);
    let (commit_file, committed) = open_commits(&folder, identity, oldest)?;
    if committed > end_offset {
        // The tail was lost, but not before its records were stored elsewhere. Their offsets must not be given again:
        // rows that carry them exist.
        tracing::warn!(end_offset, committed, "the log ends before its commit; it goes on at the commit");
    }
    let goes_on = last_header_whole && committed <= end_offset;
    let appendable =
        list.last().filter(|_| goes_on).map(|last| (folder.segment(last.first_offset), last.bytes));
    let segments = Segments::new(list, end_offset.max(committed));
    Ok(Recovered { folder, lock, identity, segments, appendable, commit_file, committed })
}

/// Whether the segment's header is whole; an error where it is whole and not this log's.
fn check_header(path: &Path, identity: Identity, first_offset: u64) -> Result<bool, LogError> {
    match read_header(path)? {
        Some(header) if header.identity != identity || header.first_offset != first_offset => {
            Err(LogError::Foreign { path: path.to_owned() })
        }
        Some(_) => Ok(true),
        None => {
            tracing::error!(path = %path.display(), "a segment's header is damaged; its records are read all the same");
            Ok(false)
        }
    }
}

/// Finds the last whole record of the last segment, cuts what is behind it, and syncs what stays: records that an earlier
/// process wrote but did not live to sync become readable now, so they must be durable first.
fn cut_tail(path: &Path, first_offset: u64, identity: Identity) -> Result<Tail, LogError> {
    let failed = |action| move |error| LogError::io(action, path, error);
    let file = OpenOptions::new().write(true).open(path).map_err(failed("open"))?;
    let length = file.metadata().map_err(failed("examine"))?.len();
    let mut scan = SegmentScan::open(path, RecordCodec::new(identity.epoch)).map_err(failed("open"))?;
    scan.extend(length, u64::MAX);
    let mut tail = Tail { end_offset: first_offset, bytes: length.min(SEGMENT_HEADER_BYTES as u64) };
    while let Some(record) = scan.next().map_err(failed("read"))? {
        tail.end_offset = tail.end_offset.max(record.offset + 1);
        tail.bytes = scan.position();
    }
    if length > tail.bytes {
        let cut = length - tail.bytes;
        metrics::torn(cut);
        tracing::warn!(path = %path.display(), bytes = cut, end_offset = tail.end_offset, "cut a torn tail");
        file.set_len(tail.bytes).map_err(failed("cut the torn tail of"))?;
    }
    file.sync_all().map_err(failed("sync"))?;
    Ok(tail)
}

/// Opens the commit position. Where it is lost, everything that is still there is read again.
fn open_commits(folder: &Folder, identity: Identity, oldest: u64) -> Result<(CommitFile, u64), LogError> {
    let path = folder.committed();
    let failed = |error| LogError::io("open", &path, error);
    if let Some(opened) = CommitFile::open(&path, identity.epoch).map_err(failed)? {
        return Ok(opened);
    }
    if path.exists() || oldest > 0 {
        tracing::error!(path = %path.display(), oldest, "the commit position is lost; reading again from the oldest record");
    }
    let made = CommitFile::create(&path, identity.epoch, oldest).map_err(failed)?;
    Ok((made, oldest))
}
