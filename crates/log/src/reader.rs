use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::scan::SegmentScan;
use crate::segment_log::{Shared, Tail};
use crate::segments::{Place, Segment};
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
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>, position: u64) -> Self {
        let tail = shared.tail.subscribe();
        Self { shared, tail, position, cursor: None }
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
        let path = self.shared.folder.segment(segment.first_offset);
        let mut cursor = match self.cursor.take().filter(|cursor| cursor.first_offset == segment.first_offset)
        {
            Some(cursor) => cursor,
            None => match SegmentScan::open(&path, self.shared.codec()) {
                Ok(scan) => Cursor { first_offset: segment.first_offset, scan },
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // Either retention was quicker, or somebody removed the file.
                    self.skip_missing(fence);
                    return Ok(());
                }
                Err(error) => return Err(LogError::io("open", &path, error)),
            },
        };
        cursor.scan.extend(segment.bytes, fence);
        while self.has_room() {
            let record = cursor.scan.next().map_err(|error| LogError::io("read", &path, error))?;
            let Some(record) = record else {
                self.lose(fence);
                break;
            };
            // Below the position: the way to it after opening, or a record that is there twice.
            if record.offset >= self.position {
                self.lose(record.offset);
                self.position = record.offset + 1;
                self.bytes_left -= record.payload.len() as i64;
                self.entries.push(Entry::Record { offset: record.offset, payload: record.payload });
            }
        }
        self.cursor = Some(cursor);
        Ok(())
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
