use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::arrivals::unix_ms_of;
use crate::decisions::Decisions;
use crate::folder::{Folder, read_header};
use crate::format::{FileHeader, Identity, RecordCodec, SEGMENT_HEADER_BYTES};
use crate::room::Room;
use crate::scan::SegmentScan;
use crate::segments::{IndexedSegment, Segment, Segments};
use crate::slot_file::{COMMITTED, SlotFile};
use crate::sparse_index::SparseIndex;
use crate::{LogError, metrics};

/// A partition as it was found at open.
pub(crate) struct Recovered {
    pub identity: Identity,
    pub segments: Segments,
    /// The last segment and its length, when appends may go on in it.
    pub appendable: Option<(PathBuf, u64)>,
    pub commit_file: SlotFile<2>,
    pub committed: u64,
    pub decisions: Decisions,
}

/// What is left of the last segment after its torn tail was cut.
struct Tail {
    end_offset: u64,
    bytes: u64,
    index: SparseIndex,
}

/// Opens the folder, which is locked: identity, headers of all segments, the whole of the last one, commit position.
/// Earlier segments are not read through; damage in them shows when they are read.
pub(crate) fn recover(folder: &Folder, partition: u32, room: &Arc<Room>) -> Result<Recovered, LogError> {
    let firsts = folder.first_offsets()?;
    let identity = folder.identity(&firsts, partition)?;
    let mut list = Vec::with_capacity(firsts.len());
    let mut last_header_whole = false;
    for first_offset in &firsts {
        let (segment, header_whole) = examine(folder, identity, *first_offset)?;
        last_header_whole = header_whole;
        list.push(IndexedSegment { segment, index: SparseIndex::default() });
    }
    let mut end_offset = 0;
    if let Some(IndexedSegment { segment, index }) = list.last_mut() {
        let tail = cut_tail(&folder.segment(segment.first_offset), segment.first_offset, identity)?;
        (segment.bytes, end_offset, *index) = (tail.bytes, tail.end_offset, tail.index);
    }
    let oldest = firsts.first().copied().unwrap_or(0);
    let (commit_file, committed) = open_commits(folder, identity, oldest)?;
    let decided = folder.decided();
    let decisions = Decisions::open(decided.clone(), identity.epoch)
        .map_err(|error| LogError::io("open", &decided, error))?;
    if committed > end_offset {
        // The tail was lost, but not before its records were stored elsewhere. Their offsets must not be given again:
        // rows that carry them exist.
        tracing::warn!(end_offset, committed, "the log ends before its commit; it goes on at the commit");
    }
    let goes_on = last_header_whole && committed <= end_offset;
    let last = list.last().map(|last| last.segment).filter(|_| goes_on);
    let appendable = last.map(|last| (folder.segment(last.first_offset), last.bytes));
    let segments = Segments::new(list, end_offset.max(committed), partition, Arc::clone(room));
    Ok(Recovered { identity, segments, appendable, commit_file, committed, decisions })
}

/// A segment as its file stands there, and whether its header is whole.
fn examine(folder: &Folder, identity: Identity, first_offset: u64) -> Result<(Segment, bool), LogError> {
    let path = folder.segment(first_offset);
    let header = check_header(&path, identity, first_offset)?;
    let failed = |error| LogError::io("examine", &path, error);
    let metadata = path.metadata().map_err(failed)?;
    let appended_unix_ms = unix_ms_of(metadata.modified().map_err(failed)?);
    let made_unix_ms = header.map_or(appended_unix_ms, |header| header.created_unix_ms);
    Ok((Segment { first_offset, bytes: metadata.len(), made_unix_ms, appended_unix_ms }, header.is_some()))
}

/// The segment's header, if it is whole; an error where it is whole and not this log's.
fn check_header(path: &Path, identity: Identity, first_offset: u64) -> Result<Option<FileHeader>, LogError> {
    match read_header(path)? {
        Some(header) if header.identity != identity || header.first_offset != first_offset => {
            Err(LogError::Foreign { path: path.to_owned() })
        }
        Some(header) => Ok(Some(header)),
        None => {
            tracing::error!(path = %path.display(), "a segment's header is damaged; its records are read all the same");
            Ok(None)
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
    let bytes = length.min(SEGMENT_HEADER_BYTES as u64);
    let mut tail = Tail { end_offset: first_offset, bytes, index: SparseIndex::default() };
    while let Some(record) = scan.next().map_err(failed("read"))? {
        tail.index.note(record.mark());
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
fn open_commits(folder: &Folder, identity: Identity, oldest: u64) -> Result<(SlotFile<2>, u64), LogError> {
    let path = folder.committed();
    let failed = |error| LogError::io("open", &path, error);
    if let Some((file, [committed, _])) = SlotFile::open(&path, COMMITTED, identity.epoch).map_err(failed)? {
        return Ok((file, committed));
    }
    if path.exists() || oldest > 0 {
        tracing::error!(path = %path.display(), oldest, "the commit position is lost; reading again from the oldest record");
    }
    let made = SlotFile::create(&path, COMMITTED, identity.epoch, [oldest, 0]).map_err(failed)?;
    Ok((made, oldest))
}
