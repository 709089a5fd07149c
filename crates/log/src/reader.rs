use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::format::SEGMENT_HEADER_BYTES;
use crate::scan::SegmentScan;
use crate::seek::seek;
use crate::segments::{Place, Segment};
use crate::shared::{Shared, Tail};
use crate::{LogError, metrics};

/// What a reader finds, in the order of offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// One record.
    Record {
        /// Its offset.
        offset: u64,
        /// Its bytes. They share memory with their neighbours: copy what is kept for long.
        payload: Bytes,
    },
    /// These records were acknowledged and are lost: damaged on disk, or their file is gone. The reader has logged and
    /// counted it, and goes on behind them.
    Damaged {
        /// Exactly the lost offsets.
        offsets: Range<u64>,
    },
}

/// Reads a log from an offset on, up to its durable end, and waits there for more.
///
/// In memory it holds a window of 256 KiB, or one record if that is longer, and while a batch is read and held, that
/// batch: its payload, 20 bytes a record around it, 50 bytes for each entry, and at most two windows more.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    tail: watch::Receiver<Tail>,
    position: u64,
    /// The segment being read. Lost when a call fails or is dropped half way; then it is opened again.
    cursor: Option<Cursor>,
}

struct Cursor {
    first_offset: u64,
    scan: SegmentScan,
    /// It began where the index said, and has not found the record there yet.
    sought: bool,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>, position: u64) -> Self {
        let tail = shared.tail.subscribe();
        Self { shared, tail, position, cursor: None }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Reads on from this offset.
    pub fn seek(&mut self, offset: u64) {
        self.position = offset;
        self.cursor = None;
    }

    /// The offset that is read next.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next entries: at least one if there is any, up to `records_max` and about `bytes_max` of payload (the entry
    /// that reaches it is the last). At the durable end it waits up to `wait` and then returns none.
    ///
    /// Offsets below the commit that retention has deleted are passed over silently. Cancel safe: a call that is
    /// dropped has read nothing. Once the log is closed and read to its end: [`LogError::Closed`]. A file that
    /// cannot be read ([`LogError::Io`]) leaves the position where it was.
    pub async fn next_batch(
        &mut self,
        records_max: usize,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Vec<Entry>, LogError> {
        if !self.wait_for_data(wait).await? {
            return Ok(Vec::new());
        }
        let fetch = Fetch {
            shared: Arc::clone(&self.shared),
            position: self.position,
            cursor: self.cursor.take(),
            entries: Vec::new(),
            records_max: records_max.max(1),
            bytes_left: i64::try_from(bytes_max.max(1)).unwrap_or(i64::MAX),
        };
        let fetched = tokio::task::spawn_blocking(move || fetch.run()).await;
        // Only a runtime that shuts down cancels the task.
        let Ok(fetched) = fetched else { return Err(LogError::Closed) };
        let fetch = fetched?;
        (self.position, self.cursor) = (fetch.position, fetch.cursor);
        Ok(fetch.entries)
    }

    async fn wait_for_data(&mut self, wait: Duration) -> Result<bool, LogError> {
        let position = self.position;
        let arrived = self.tail.wait_for(|tail| tail.end_offset > position || tail.closed);
        match tokio::time::timeout(wait, arrived).await {
            Ok(Ok(tail)) if tail.end_offset > position => Ok(true),
            Ok(_) => Err(LogError::Closed),
            Err(_elapsed) => Ok(false),
        }
    }
}

/// One call's reading, on a thread that may block.
struct Fetch {
    shared: Arc<Shared>,
    position: u64,
    cursor: Option<Cursor>,
    entries: Vec<Entry>,
    records_max: usize,
    bytes_left: i64,
}

impl Fetch {
    /// A failure after some entries waits for the next call, which meets it first.
    fn run(mut self) -> Result<Self, LogError> {
        match self.fill() {
            Err(error) if self.entries.is_empty() => Err(error),
            _ => Ok(self),
        }
    }

    fn fill(&mut self) -> Result<(), LogError> {
        while self.has_room() {
            let place = self.shared.segments().place(self.position);
            match place {
                Place::Ahead => break,
                Place::Nowhere { until } => self.skip_missing(until),
                Place::In { segment, fence } => self.read_segment(segment, fence)?,
            }
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.entries.len() < self.records_max && self.bytes_left > 0
    }

    /// No file holds the offsets up to `until`. Below the commit that is retention's work.
    fn skip_missing(&mut self, until: u64) {
        self.position = self.position.max(self.shared.committed()).min(until);
        self.lose(until);
    }

    fn read_segment(&mut self, segment: Segment, fence: u64) -> Result<(), LogError> {
        let Some(mut cursor) = self.open_cursor(segment, fence)? else { return Ok(()) };
        let path = self.shared.folder.segment(segment.first_offset);
        cursor.scan.extend(segment.bytes, fence);
        while self.has_room() {
            let record = cursor.scan.next().map_err(|error| LogError::io("read", &path, error))?;
            if cursor.sought && record.as_ref().is_none_or(|record| record.offset > self.position) {
                // What is damaged may stand in another order: before anything is called lost, all of it is looked at.
                cursor.sought = false;
                cursor.scan.go_to(SEGMENT_HEADER_BYTES as u64);
                continue;
            }
            let Some(record) = record else {
                self.lose(fence);
                break;
            };
            // Below the position: the way to it after opening, or a record that is there twice.
            if record.offset >= self.position {
                cursor.sought = false;
                self.lose(record.offset);
                self.position = record.offset + 1;
                self.bytes_left -= record.payload.len() as i64;
                self.entries.push(Entry::Record { offset: record.offset, payload: record.payload });
            }
        }
        self.cursor = Some(cursor);
        Ok(())
    }

    /// The cursor on this segment, near the position if it is opened now. `None` if the file is gone: then the position was
    /// moved on, or the segments have changed meanwhile.
    fn open_cursor(&mut self, segment: Segment, fence: u64) -> Result<Option<Cursor>, LogError> {
        let first_offset = segment.first_offset;
        if let Some(cursor) = self.cursor.take().filter(|cursor| cursor.first_offset == first_offset) {
            return Ok(Some(cursor));
        }
        let path = self.shared.folder.segment(first_offset);
        let mut scan = match SegmentScan::open(&path, self.shared.codec()) {
            Ok(scan) => scan,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Either the segment was deleted or cut just now, which shows in the list, or somebody removed the file.
                if self.shared.segments().index(first_offset).is_some() {
                    self.skip_missing(fence);
                }
                return Ok(None);
            }
            Err(error) => return Err(LogError::io("open", &path, error)),
        };
        let sought = self.position > first_offset;
        if sought {
            let start = seek(&self.shared, &mut scan, segment, fence, self.position);
            scan.go_to(start.map_err(|error| LogError::io("read", &path, error))?);
        }
        Ok(Some(Cursor { first_offset, scan, sought }))
    }

    /// Reports the offsets from the position to `until` as lost, if there are any.
    fn lose(&mut self, until: u64) {
        if self.position < until {
            let offsets = self.position..until;
            metrics::damaged(until - self.position);
            tracing::error!(?offsets, "records of the log are lost: damaged on disk or missing");
            self.position = until;
            self.entries.push(Entry::Damaged { offsets });
        }
    }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor").field("first_offset", &self.first_offset).finish_non_exhaustive()
    }
}
