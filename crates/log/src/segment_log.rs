use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::append_queue::WaitingBatch;
use crate::disk::{Disk, SystemDisk};
use crate::folder::Folder;
use crate::recovery::recover;
use crate::room::{Admission, Room};
use crate::shared::{Shared, lock};
use crate::writer::{Writer, encoded_bytes};
use crate::{LogConfig, LogError, Reader, RecordBatch};

/// The log: append, read, commit. Clones share it; the last one to go closes it.
#[derive(Debug, Clone)]
pub struct SegmentLog {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    room: Arc<Room>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl SegmentLog {
    /// Opens the log in `config.dir`, or makes it: checks every segment's header, reads the last segment through, cuts a torn
    /// tail, and starts the writer's thread. Blocks on the disk; the time grows with `segment_bytes_max` at most.
    pub fn open(config: LogConfig) -> Result<Self, LogError> {
        Self::open_on(config, Arc::new(SystemDisk::default()))
    }

    /// Opens the log with its segments written through `disk`.
    pub(crate) fn open_on(config: LogConfig, disk: Arc<dyn Disk>) -> Result<Self, LogError> {
        let config = LogConfig { partitions: 1, ..config };
        config.check()?;
        let folder = Folder::make(&config.dir)?;
        let lock = Arc::new(folder.lock()?);
        folder.tidy()?;
        let room = Arc::new(Room::new(&config, disk));
        Self::open_partition(config, 0, folder, room, lock)
    }

    /// Opens the partition that lies in this folder. The lock, of this folder or one above, is held until the log is closed.
    pub(crate) fn open_partition(
        config: LogConfig,
        partition: u32,
        folder: Folder,
        room: Arc<Room>,
        lock: Arc<File>,
    ) -> Result<Self, LogError> {
        let mut recovered = recover(&folder, partition, &room)?;
        let appendable = recovered.appendable.take();
        let shared = Arc::new(Shared::new(config, folder, Arc::clone(&room), recovered));
        room.join(&shared);
        let disk = Arc::clone(room.disk());
        let writer = Writer::new(Arc::clone(&shared), disk, appendable, lock)?;
        let thread = std::thread::Builder::new().name(format!("log-writer-{partition}"));
        let thread = thread.spawn(move || writer.run());
        let thread =
            thread.map_err(|error| LogError::io("start the writer of", shared.folder.dir(), error))?;
        tracing::info!(dir = %shared.folder.dir().display(), epoch = shared.identity.epoch, committed = shared.committed(),
            end_offset = shared.segments().end_offset(), "opened the log");
        Ok(Self { handle: Arc::new(Handle { shared, room, writer: Mutex::new(Some(thread)) }) })
    }

    /// Tells this log from any other, also from one made anew in the same folder. Random, never zero.
    pub fn epoch(&self) -> u64 {
        self.shared().identity.epoch
    }

    /// The partition this log is: 0 where there is one.
    pub fn partition(&self) -> u32 {
        self.shared().identity.partition
    }

    /// Appends the records and returns their offsets once they are on disk: all of them, or an error and none.
    ///
    /// Concurrent appends share one write and one sync. Answered at once, with nothing kept: [`LogError::Overloaded`]
    /// (too much waits), [`LogError::Full`], [`LogError::RecordTooLarge`], [`LogError::BatchTooLarge`], and
    /// [`LogError::DiskFull`] where `disk_free_bytes_min` says so. Answered by the writer: [`LogError::DiskFull`],
    /// [`LogError::Io`]. A batch that failed, or whose caller went away or was
    /// killed before the answer, is not acknowledged, yet a crash at that moment may leave it, whole or its first records,
    /// to be read after the restart: who sends it again must mark it with the same id.
    pub async fn append(&self, records: impl Into<RecordBatch> + Send) -> Result<Range<u64>, LogError> {
        let records = records.into();
        if records.is_empty() {
            let end = self.end_offset();
            return Ok(end..end);
        }
        check_limits(&[&records], &self.shared().config)?;
        let admission = self.handle.room.admit(&[&records])?.pop().expect("one part, one admission");
        self.hand_over(records, admission)?.await.unwrap_or(Err(LogError::Closed))
    }

    /// Gives records to the writer that were checked and admitted. Who waits for the answer and gets none: closed.
    pub(crate) fn hand_over(
        &self,
        records: RecordBatch,
        admission: Admission,
    ) -> Result<oneshot::Receiver<Result<Range<u64>, LogError>>, LogError> {
        let (answer, answered) = oneshot::channel();
        self.shared().queue.push(WaitingBatch { records, admission, answer })?;
        Ok(answered)
    }

    /// A reader that begins at `from_offset`, usually [`SegmentLog::committed`].
    pub fn reader(&self, from_offset: u64) -> Reader {
        Reader::new(Arc::clone(self.shared()), from_offset)
    }

    /// Says that all records below `next_offset` are stored elsewhere, and deletes segments that lie wholly below it, once
    /// they were kept as `committed_kept_hours` and `committed_bytes_kept_max` say. A position at or below the present one
    /// changes nothing.
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
        self.shared().lag()
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

    pub(crate) fn shared(&self) -> &Arc<Shared> {
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
        if let Err(error) = self.shared.sync_commits() {
            tracing::warn!(%error, "could not sync the commit position");
        }
        tracing::info!(
            end_offset = self.shared.segments().end_offset(),
            committed = self.shared.committed(),
            "closed the log"
        );
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.shared.fmt(f)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Checks an append of these parts, each for another partition, against what will never be taken.
pub(crate) fn check_limits(parts: &[&RecordBatch], config: &LogConfig) -> Result<(), LogError> {
    let longest = parts.iter().flat_map(|part| part.iter()).map(<[u8]>::len).max().unwrap_or(0);
    if longest > config.record_bytes_max {
        return Err(LogError::RecordTooLarge { bytes: longest, limit: config.record_bytes_max });
    }
    let sum = |size: fn(&RecordBatch) -> usize| parts.iter().map(|part| size(part)).sum::<usize>() as u64;
    let largest = parts.iter().map(|part| encoded_bytes(part)).max().unwrap_or(0);
    let bounds = [
        (sum(RecordBatch::len), "append_queue_records_max", config.append_queue_records_max as u64),
        (sum(RecordBatch::payload_bytes), "append_queue_bytes_max", config.append_queue_bytes_max as u64),
        (largest, "segment_bytes_max", config.batch_bytes_max()),
    ];
    match bounds.into_iter().find(|(size, _, limit)| size > limit) {
        Some((size, option, limit)) => Err(LogError::BatchTooLarge { size, option, limit }),
        None => Ok(()),
    }
}
