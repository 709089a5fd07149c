use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::room::{Admission, Room};
use crate::{LogError, RecordBatch};

/// Where a batch's answer goes: its offsets, or why it has none.
pub(crate) type Answer = oneshot::Sender<Result<Range<u64>, LogError>>;

/// A batch that waits to be written, and where its answer goes.
pub(crate) struct WaitingBatch {
    pub records: RecordBatch,
    pub admission: Admission,
    pub answer: Answer,
}

/// Where it is told that the present segment was ended.
pub(crate) type Sealed = oneshot::Sender<Result<(), LogError>>;

/// What the writer is to do next, in this order. All may be empty.
#[derive(Default)]
pub(crate) struct Work {
    pub batches: Vec<WaitingBatch>,
    /// The present segment is to be ended, so that it can be deleted.
    pub seals: Vec<Sealed>,
}

/// What appenders have handed over to one partition and its writer has not taken yet. The [`Room`] bounds it, together
/// with the queues of the other partitions.
pub(crate) struct AppendQueue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    room: Arc<Room>,
}

#[derive(Default)]
struct Waiting {
    work: Work,
    records: usize,
    bytes: usize,
    closed: bool,
}

impl AppendQueue {
    pub(crate) fn new(room: Arc<Room>) -> Self {
        Self { waiting: Mutex::default(), arrived: Condvar::new(), room }
    }

    /// Takes in what the room has admitted.
    pub(crate) fn push(&self, batch: WaitingBatch) -> Result<(), LogError> {
        let (records, bytes) = (batch.records.len(), batch.records.payload_bytes());
        let mut waiting = self.lock();
        if waiting.closed {
            self.room.leave_queue(records, bytes);
            return Err(LogError::Closed);
        }
        waiting.records += records;
        waiting.bytes += bytes;
        waiting.work.batches.push(batch);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Asks the writer to end the present segment.
    pub(crate) fn seal(&self, sealed: Sealed) -> Result<(), LogError> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(LogError::Closed);
        }
        waiting.work.seals.push(sealed);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for work up to `wait` and takes all that is there, perhaps none; `None` once the queue is closed and empty.
    pub(crate) fn take(&self, wait: Duration) -> Option<Work> {
        let waiting = self.lock();
        let idle = |waiting: &mut Waiting| waiting.work.is_empty() && !waiting.closed;
        let waited = self.arrived.wait_timeout_while(waiting, wait, idle);
        let (mut waiting, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        let work = self.empty(&mut waiting);
        (!work.is_empty() || !waiting.closed).then_some(work)
    }

    /// Takes nothing more in; what waits is still handed to the writer.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Takes nothing more in and drops what waits, which answers it with [`LogError::Closed`].
    pub(crate) fn abandon(&self) {
        self.close();
        drop(self.empty(&mut self.lock()));
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn empty(&self, waiting: &mut Waiting) -> Work {
        self.room.leave_queue(waiting.records, waiting.bytes);
        (waiting.records, waiting.bytes) = (0, 0);
        std::mem::take(&mut waiting.work)
    }

    /// No code panics while it holds the lock, so a poisoned lock still guards whole values.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Work {
    fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.seals.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogConfig;
    use crate::disk::SystemDisk;

    fn push(room: &Arc<Room>, queue: &AppendQueue) -> Result<(), LogError> {
        let records: RecordBatch = [b"1"].iter().collect();
        let admission = room.admit(&[&records])?.remove(0);
        let (answer, _) = oneshot::channel();
        queue.push(WaitingBatch { records, admission, answer })
    }

    #[test]
    fn a_closed_queue_hands_out_what_waits_and_then_ends() {
        let config =
            LogConfig { append_queue_records_max: 2, disk_free_bytes_min: 0, ..LogConfig::new("unused") };
        let room = Arc::new(Room::new(&config, Arc::new(SystemDisk::default())));
        let queue = AppendQueue::new(Arc::clone(&room));
        assert!(queue.take(Duration::ZERO).unwrap().is_empty());
        push(&room, &queue).unwrap();
        push(&room, &queue).unwrap();
        assert!(matches!(push(&room, &queue), Err(LogError::Overloaded { records: 2, bytes: 2 })));
        assert_eq!(queue.take(Duration::ZERO).unwrap().batches.len(), 2);
        push(&room, &queue).unwrap();
        queue.close();
        assert!(matches!(push(&room, &queue), Err(LogError::Closed)));
        assert!(matches!(push(&room, &queue), Err(LogError::Closed)), "who is refused leaves the room");
        assert_eq!(queue.take(Duration::ZERO).unwrap().batches.len(), 1);
        assert!(queue.take(Duration::ZERO).is_none());
    }
}
