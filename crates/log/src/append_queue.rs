use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard};

use tokio::sync::oneshot;

use crate::{LogError, RecordBatch, metrics};

/// Where a batch's answer goes: its offsets, or why it has none.
pub(crate) type Answer = oneshot::Sender<Result<Range<u64>, LogError>>;

/// A batch that waits to be written, and where its answer goes.
pub(crate) struct WaitingBatch {
    pub records: RecordBatch,
    pub answer: Answer,
}

/// What appenders have handed over and the writer has not taken yet; bounded in records and bytes.
pub(crate) struct AppendQueue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    records_max: usize,
    bytes_max: usize,
}

#[derive(Default)]
struct Waiting {
    batches: Vec<WaitingBatch>,
    records: usize,
    bytes: usize,
    closed: bool,
}

impl AppendQueue {
    pub(crate) fn new(records_max: usize, bytes_max: usize) -> Self {
        Self { waiting: Mutex::default(), arrived: Condvar::new(), records_max, bytes_max }
    }

    /// Takes the batch in, or refuses it at once when it does not fit beside what waits.
    pub(crate) fn push(&self, batch: WaitingBatch) -> Result<(), LogError> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(LogError::Closed);
        }
        let records = waiting.records + batch.records.len();
        let bytes = waiting.bytes + batch.records.payload_bytes();
        if records > self.records_max || bytes > self.bytes_max {
            metrics::queue_full();
            return Err(LogError::Overloaded { records: waiting.records, bytes: waiting.bytes });
        }
        (waiting.records, waiting.bytes) = (records, bytes);
        waiting.batches.push(batch);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for batches and takes all that are there; `None` once the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<Vec<WaitingBatch>> {
        let mut waiting = self.lock();
        while waiting.batches.is_empty() && !waiting.closed {
            waiting = self.arrived.wait(waiting).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        (waiting.records, waiting.bytes) = (0, 0);
        let batches = std::mem::take(&mut waiting.batches);
        (!batches.is_empty()).then_some(batches)
    }

    /// Takes nothing more in; what waits is still handed to the writer.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Takes nothing more in and drops what waits, which answers it with [`LogError::Closed`].
    pub(crate) fn abandon(&self) {
        self.close();
        self.lock().batches.clear();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// No code panics while it holds the lock, so a poisoned lock still guards whole values.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &AppendQueue, records: &[&[u8]]) -> Result<(), LogError> {
        let (answer, _) = oneshot::channel();
        queue.push(WaitingBatch { records: records.iter().collect(), answer })
    }

    #[test]
    fn both_bounds_hold_and_taking_makes_room() {
        let queue = AppendQueue::new(3, 10);
        push(&queue, &[b"1234", b"1234"]).unwrap();
        assert!(matches!(push(&queue, &[b"123"]), Err(LogError::Overloaded { records: 2, bytes: 8 })));
        push(&queue, &[b"12"]).unwrap();
        assert!(matches!(push(&queue, &[b""]), Err(LogError::Overloaded { records: 3, bytes: 10 })));
        assert_eq!(queue.take().unwrap().len(), 2);
        push(&queue, &[b"1234567890"]).unwrap();
    }

    #[test]
    fn a_closed_queue_hands_out_what_waits_and_then_ends() {
        let queue = AppendQueue::new(3, 10);
        push(&queue, &[b"1"]).unwrap();
        queue.close();
        assert!(matches!(push(&queue, &[b"2"]), Err(LogError::Closed)));
        assert_eq!(queue.take().unwrap().len(), 1);
        assert!(queue.take().is_none());
    }
}
