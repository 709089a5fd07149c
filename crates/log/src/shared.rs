use std::fs;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;

use crate::append_queue::AppendQueue;
use crate::arrivals::{Arrivals, unix_ms};
use crate::decisions::Decisions;
use crate::disk::Disk;
use crate::folder::Folder;
use crate::format::{Identity, RecordCodec};
use crate::recovery::Recovered;
use crate::room::Room;
use crate::segments::{Keep, Segment, Segments};
use crate::slot_file::SlotFile;
use crate::sparse_index::Mark;
use crate::{LogConfig, LogError, PartitionPosition, metrics};

/// What the writer, the readers and the callers of one partition share.
pub(crate) struct Shared {
    pub config: LogConfig,
    pub folder: Folder,
    pub identity: Identity,
    pub queue: AppendQueue,
    pub tail: watch::Sender<Tail>,
    pub room: Arc<Room>,
    segments: Mutex<Segments>,
    committed: AtomicU64,
    commit_file: Mutex<SlotFile<2>>,
    decisions: Mutex<Decisions>,
    arrivals: Mutex<Arrivals>,
}

/// How far the log is readable, and whether more may come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail {
    pub end_offset: u64,
    pub closed: bool,
}

impl Shared {
    pub(crate) fn new(config: LogConfig, folder: Folder, room: Arc<Room>, recovered: Recovered) -> Self {
        let Recovered { identity, segments, commit_file, committed, decisions, appendable: _ } = recovered;
        let end_offset = segments.end_offset();
        let arrivals = segments.iter().map(|segment| (segment.first_offset, segment.made_unix_ms));
        let shared = Self {
            arrivals: Mutex::new(Arrivals::new(arrivals)),
            queue: AppendQueue::new(Arc::clone(&room)),
            room,
            tail: watch::Sender::new(Tail { end_offset, closed: false }),
            segments: Mutex::new(segments),
            committed: AtomicU64::new(committed),
            commit_file: Mutex::new(commit_file),
            decisions: Mutex::new(decisions),
            config,
            folder,
            identity,
        };
        shared.report_lag();
        shared
    }

    pub(crate) fn segments(&self) -> MutexGuard<'_, Segments> {
        lock(&self.segments)
    }

    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    pub(crate) fn lag(&self) -> u64 {
        self.segments().end_offset().saturating_sub(self.committed())
    }

    pub(crate) fn codec(&self) -> RecordCodec {
        RecordCodec::new(self.identity.epoch)
    }

    pub(crate) fn position(&self) -> PartitionPosition {
        let segments = self.segments();
        PartitionPosition {
            partition: self.identity.partition,
            epoch: self.identity.epoch,
            first_offset: segments.first_offset(),
            committed: self.committed(),
            end_offset: segments.end_offset(),
            bytes: Some(segments.bytes()),
        }
    }

    /// The last segment has grown durably: readers may see it.
    pub(crate) fn publish(&self, segment_bytes: u64, end_offset: u64, marks: &[Mark]) {
        let now = unix_ms();
        let mut segments = self.segments();
        lock(&self.arrivals).note(segments.end_offset(), now);
        segments.grow(segment_bytes, end_offset, now, marks);
        drop(segments);
        self.tail.send_modify(|tail| tail.end_offset = end_offset);
        self.report_lag();
    }

    pub(crate) fn announce_close(&self) {
        self.tail.send_modify(|tail| tail.closed = true);
    }

    pub(crate) fn commit(&self, next_offset: u64) -> Result<(), LogError> {
        self.check_open_up_to(next_offset)?;
        let path = self.folder.committed();
        let mut commit_file = lock(&self.commit_file);
        if next_offset <= self.committed() {
            return Ok(());
        }
        commit_file.write([next_offset, 0]).map_err(|error| LogError::io("write", &path, error))?;
        self.committed.store(next_offset, Ordering::Release);
        self.report_lag();
        self.release(&commit_file, self.retention())?;
        Ok(())
    }

    pub(crate) fn decide(&self, batch: Range<u64>) -> Result<(), LogError> {
        self.check_open_up_to(batch.end)?;
        let decided = lock(&self.decisions).decide(batch);
        decided.map_err(|error| LogError::io("write", &self.folder.decided(), error))
    }

    /// The batch that was decided last, unless it is committed.
    pub(crate) fn decided(&self) -> Option<Range<u64>> {
        let batch = lock(&self.decisions).last();
        (batch.end > self.committed().max(batch.start)).then_some(batch)
    }

    fn check_open_up_to(&self, next_offset: u64) -> Result<(), LogError> {
        if self.queue.is_closed() {
            return Err(LogError::Closed);
        }
        let end = self.segments().end_offset();
        if next_offset > end {
            return Err(LogError::CommitBeyondEnd { asked: next_offset, end });
        }
        Ok(())
    }

    /// Deletes committed segments that have been kept long enough.
    pub(crate) fn retire(&self) -> Result<(), LogError> {
        self.release(&lock(&self.commit_file), self.retention()).map(drop)
    }

    /// Deletes all committed segments, as room is short, and says how many.
    pub(crate) fn give_up_kept(&self) -> Result<usize, LogError> {
        self.release(&lock(&self.commit_file), Keep::NOTHING)
    }

    fn retention(&self) -> Keep {
        let since = unix_ms().saturating_sub(self.config.committed_kept_ms());
        Keep { bytes_max: self.config.committed_bytes_kept_max, appended_since_unix_ms: since }
    }

    /// Deletes what the commit allows and says how many. The commit is synced first: otherwise a power failure could leave
    /// a position whose records are gone, which looks like damage.
    fn release(&self, commit_file: &SlotFile<2>, keep: Keep) -> Result<usize, LogError> {
        let committed = self.committed();
        if !self.segments().can_release(committed, keep) {
            return Ok(0);
        }
        self.sync_commit(commit_file)?;
        let released = self.segments().release(committed, keep);
        for segment in &released {
            if let Err(error) = self.delete(segment) {
                tracing::warn!(%error, source = ?std::error::Error::source(&error), "could not delete a committed segment; it is tried again after a restart");
            }
        }
        metrics::segments_deleted(released.len());
        Ok(released.len())
    }

    pub(crate) fn delete(&self, segment: &Segment) -> Result<(), LogError> {
        let path = self.folder.segment(segment.first_offset);
        fs::remove_file(&path).map_err(|error| LogError::io("delete", &path, error))
    }

    /// While it is held, no segment is deleted.
    pub(crate) fn lock_commits(&self) -> MutexGuard<'_, SlotFile<2>> {
        lock(&self.commit_file)
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        self.room.disk()
    }

    /// Makes the commit position outlive a power failure.
    pub(crate) fn sync_commits(&self) -> Result<(), LogError> {
        self.sync_commit(&lock(&self.commit_file))
    }

    pub(crate) fn sync_commit(&self, commit_file: &SlotFile<2>) -> Result<(), LogError> {
        commit_file.sync().map_err(|error| LogError::io("sync", &self.folder.committed(), error))
    }

    /// Tells how old the oldest record is that is not committed.
    pub(crate) fn report_unread_age(&self) {
        let oldest = lock(&self.arrivals).oldest(self.committed());
        let age_ms = match oldest {
            Some(oldest) if self.lag() > 0 => unix_ms().saturating_sub(oldest),
            _ => 0,
        };
        metrics::oldest_unread(self.identity.partition, age_ms);
    }

    fn report_lag(&self) {
        metrics::lag(self.identity.partition, self.lag());
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dir = &self.config.dir;
        f.debug_struct("Shared").field("dir", dir).finish_non_exhaustive()
    }
}

/// No code panics in the middle of a change under these locks, so a poisoned lock still guards whole values.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
