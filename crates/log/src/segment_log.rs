use std::fs;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};

use crate::append_queue::{AppendQueue, WaitingBatch};
use crate::commit_file::CommitFile;
use crate::disk::{Disk, SystemDisk};
use crate::folder::Folder;
use crate::format::{Identity, RecordCodec};
use crate::recovery::{Recovered, recover};
use crate::segments::Segments;
use crate::writer::{Writer, encoded_bytes};
use crate::{LogConfig, LogError, Reader, RecordBatch, metrics};

/// The log: append, read, commit. Clones share it; the last one to go closes it.
#[derive(Debug, Clone)]
pub struct SegmentLog {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer, the readers and the callers share.
pub(crate) struct Shared {
    pub config: LogConfig,
    pub folder: Folder,
    pub identity: Identity,
    pub queue: AppendQueue,
    pub tail: watch::Sender<Tail>,
    segments: Mutex<Segments>,
    committed: AtomicU64,
    commit_file: Mutex<CommitFile>,
}

/// How far the log is readable, and whether more may come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail {
    pub end_offset: u64,
    pub closed: bool,
}

impl SegmentLog {
    /// Opens the log in `config.dir`, or makes it: checks every segment's header, reads the last segment through, cuts a torn
    /// tail, and starts the writer's thread. Blocks on the disk; the time grows with `segment_bytes_max` at most.
    pub fn open(config: LogConfig) -> Result<Self, LogError> {
        Self::open_on(config, Box::new(SystemDisk))
    }

    /// Opens the log with its segments written through `disk`.
    pub(crate) fn open_on(config: LogConfig, disk: Box<dyn Disk>) -> Result<Self, LogError> {
        config.check()?;
        let Recovered { folder, lock, identity, segments, appendable, commit_file, committed } =
            recover(&config)?;
        let end_offset = segments.end_offset();
        let shared = Arc::new(Shared {
            queue: AppendQueue::new(config.append_queue_records_max, config.append_queue_bytes_max),
            tail: watch::Sender::new(Tail { end_offset, closed: false }),
            segments: Mutex::new(segments),
            committed: AtomicU64::new(committed),
            commit_file: Mutex::new(commit_file),
            config,
            folder,
            identity,
        });
        shared.report_lag();
        let writer = Writer::new(Arc::clone(&shared), disk, appendable, lock)?;
        let thread = std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || writer.run());
        let thread =
            thread.map_err(|error| LogError::io("start the writer of", &shared.config.dir, error))?;
        tracing::info!(dir = %shared.config.dir.display(), epoch = identity.epoch, committed, end_offset, "opened the log");
        Ok(Self { handle: Arc::new(Handle { shared, writer: Mutex::new(Some(thread)) }) })
    }

    /// Tells this log from any other, also from one made anew in the same folder. Random, never zero.
    pub fn epoch(&self) -> u64 {
        self.shared().identity.epoch
    }

    /// The partition this log is: 0, as there is one.
    pub fn partition(&self) -> u32 {
        self.shared().identity.partition
    }

    /// Appends the records and returns their offsets once they are on disk: all of them, or an error and none.
    ///
    /// Concurrent appends share one write and one sync. Answered at once, with nothing kept: [`LogError::Overloaded`]
    /// (too much waits), [`LogError::RecordTooLarge`], [`LogError::BatchTooLarge`]. Answered by the writer:
    /// [`LogError::Full`], [`LogError::DiskFull`], [`LogError::Io`]. A batch that failed, or whose caller went away or was
    /// killed before the answer, is not acknowledged, yet a crash at that moment may leave it, whole or its first records,
    /// to be read after the restart: who sends it again must mark it with the same id.
    pub async fn append(&self, records: impl Into<RecordBatch> + Send) -> Result<Range<u64>, LogError> {
        let records = records.into();
        if records.is_empty() {
            let end = self.end_offset();
            return Ok(end..end);
        }
        check_limits(&records, &self.shared().config)?;
        let (answer, answered) = oneshot::channel();
        self.shared().queue.push(WaitingBatch { records, answer })?;
        answered.await.unwrap_or(Err(LogError::Closed))
    }

    /// A reader that begins at `from_offset`, usually [`SegmentLog::committed`].
    pub fn reader(&self, from_offset: u64) -> Reader {
        Reader::new(Arc::clone(self.shared()), from_offset)
    }

    /// Says that all records below `next_offset` are stored elsewhere, and deletes segments that lie wholly below it, but for
    /// `committed_segments_kept`. A position at or below the present one changes nothing.
    ///
    /// Outlives the process at once; a power failure may take back the last commits, which means reading again.
    /// Costs one small write, now and then a sync and the deletion of a file: meant to be called a few times a second.
    pub fn commit(&self, next_offset: u64) -> Result<(), LogError> {
        self.shared().commit(next_offset)
    }

    /// The first offset that is not committed.
    pub fn committed(&self) -> u64 {
        self.shared().committed()
    }

    /// The offset behind the last durable record: what is below can be read.
    pub fn end_offset(&self) -> u64 {
        self.shared().segments().end_offset()
    }

    /// The oldest offset that retention has left.
    pub fn first_offset(&self) -> u64 {
        self.shared().segments().first_offset()
    }

    /// Durable records that are not committed.
    pub fn lag(&self) -> u64 {
        self.end_offset().saturating_sub(self.committed())
    }

    /// Bytes of all segments.
    pub fn bytes_on_disk(&self) -> u64 {
        self.shared().segments().bytes()
    }

    /// Writes what waits, answers it, syncs the commit and gives the folder free, for all clones. Appends after it
    /// get [`LogError::Closed`]; readers read to the end.
    pub async fn close(self) {
        let handle = Arc::clone(&self.handle);
        handle.shared.queue.close();
        // Joining blocks for as long as the last write takes.
        let _ = tokio::task::spawn_blocking(move || handle.finish()).await;
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

impl Handle {
    /// Waits for the writer's last write. Calls after the first do nothing.
    fn finish(&self) {
        self.shared.queue.close();
        let Some(writer) = lock(&self.writer).take() else { return };
        if writer.join().is_err() {
            tracing::error!("the log's writer has panicked");
        }
        if let Err(error) = lock(&self.shared.commit_file).sync() {
            tracing::warn!(%error, "could not sync the commit position");
        }
        tracing::info!(
            end_offset = self.shared.segments().end_offset(),
            committed = self.shared.committed(),
            "closed the log"
        );
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    pub(crate) fn segments(&self) -> MutexGuard<'_, Segments> {
        lock(&self.segments)
    }

    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    pub(crate) fn codec(&self) -> RecordCodec {
        RecordCodec::new(self.identity.epoch)
    }

    /// The last segment has grown durably: readers may see it.
    pub(crate) fn publish(&self, segment_bytes: u64, end_offset: u64) {
        self.segments().grow(segment_bytes, end_offset);
        self.tail.send_modify(|tail| tail.end_offset = end_offset);
        self.report_lag();
    }

    pub(crate) fn announce_close(&self) {
        self.tail.send_modify(|tail| tail.closed = true);
    }

    fn commit(&self, next_offset: u64) -> Result<(), LogError> {
        if self.queue.is_closed() {
            return Err(LogError::Closed);
        }
        let end = self.segments().end_offset();
        if next_offset > end {
            return Err(LogError::CommitBeyondEnd { asked: next_offset, end });
        }
        let path = self.folder.committed();
        let mut commit_file = lock(&self.commit_file);
        if next_offset <= self.committed() {
            return Ok(());
        }
        commit_file.write(next_offset).map_err(|error| LogError::io("write", &path, error))?;
        self.committed.store(next_offset, Ordering::Release);
        self.report_lag();
        self.delete_below(next_offset, &commit_file)
    }

    /// Deletes what the commit allows. The commit is synced first: otherwise a power failure could leave a position
    /// whose records are gone, which looks like damage.
    fn delete_below(&self, committed: u64, commit_file: &CommitFile) -> Result<(), LogError> {
        let path = self.folder.committed();
        if !self.segments().can_release(committed, self.config.committed_segments_kept) {
            return Ok(());
        }
        commit_file.sync().map_err(|error| LogError::io("sync", &path, error))?;
        let released = self.segments().release(committed, self.config.committed_segments_kept);
        metrics::segments_deleted(released.len());
        for segment in released {
            let path = self.folder.segment(segment.first_offset);
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "could not delete a committed segment; it is tried again after a restart");
            }
        }
        Ok(())
    }

    fn report_lag(&self) {
        metrics::lag(self.segments().end_offset().saturating_sub(self.committed()));
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dir = &self.config.dir;
        f.debug_struct("Shared").field("dir", dir).finish_non_exhaustive()
    }
}

fn check_limits(records: &RecordBatch, config: &LogConfig) -> Result<(), LogError> {
    let longest = records.iter().map(<[u8]>::len).max().unwrap_or(0);
    if longest > config.record_bytes_max {
        return Err(LogError::RecordTooLarge { bytes: longest, limit: config.record_bytes_max });
    }
    let bounds = [
        (records.len() as u64, "append_queue_records_max", config.append_queue_records_max as u64),
        (records.payload_bytes() as u64, "append_queue_bytes_max", config.append_queue_bytes_max as u64),
        (encoded_bytes(records), "segment_bytes_max", config.batch_bytes_max()),
    ];
    match bounds.into_iter().find(|(size, _, limit)| size > limit) {
        Some((size, option, limit)) => Err(LogError::BatchTooLarge { size, option, limit }),
        None => Ok(()),
    }
}

/// No code panics in the middle of a change under these locks, so a poisoned lock still guards whole values.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
