use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};

use crate::shared::Shared;
use crate::{Entry, LogError, LogReader, PartitionPosition, PartitionReader, Reader, Subscription};

/// Gives out the partitions of an embedded log, each to one reader at a time.
pub(crate) struct EmbeddedSubscription {
    /// Those that nobody reads. There is room for all of them.
    free: mpsc::Receiver<Arc<Shared>>,
    give_back: mpsc::Sender<Arc<Shared>>,
    lease: Arc<Lease>,
    closed: watch::Receiver<bool>,
}

/// Held by the subscription and by its readers; when all are gone, another subscription may begin.
struct Lease(Arc<AtomicBool>);

/// Reads a partition.
pub(crate) struct EmbeddedReader {
    reader: Reader,
}

/// Reads a partition for the pipeline.
struct OwningReader {
    reader: EmbeddedReader,
    give_back: mpsc::Sender<Arc<Shared>>,
    /// Nobody takes the partition away: there is nobody else.
    never_revoked: watch::Sender<bool>,
    _lease: Arc<Lease>,
}

impl EmbeddedSubscription {
    pub(crate) fn new(
        partitions: Vec<Arc<Shared>>,
        subscribed: Arc<AtomicBool>,
        closed: watch::Receiver<bool>,
    ) -> Self {
        let (give_back, free) = mpsc::channel(partitions.len().max(1));
        for partition in partitions {
            give_back.try_send(partition).expect("the channel holds all partitions");
        }
        Self { free, give_back, lease: Arc::new(Lease(subscribed)), closed }
    }
}

#[async_trait]
impl Subscription for EmbeddedSubscription {
    async fn next(&mut self) -> Result<Box<dyn PartitionReader>, LogError> {
        let shared = tokio::select! {
            biased;
            // It holds a sender itself, so the channel never ends.
            free = self.free.recv() => free.ok_or(LogError::Closed)?,
            // An error says that the log was dropped, which closes it.
            _ = self.closed.wait_for(|closed| *closed) => return Err(LogError::Closed),
        };
        let committed = shared.committed();
        Ok(Box::new(OwningReader {
            reader: EmbeddedReader::new(Reader::new(shared, committed)),
            give_back: self.give_back.clone(),
            never_revoked: watch::Sender::new(false),
            _lease: Arc::clone(&self.lease),
        }))
    }
}

impl EmbeddedReader {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader }
    }
}

#[async_trait]
impl LogReader for EmbeddedReader {
    fn partition(&self) -> u32 {
        self.reader.shared().identity.partition
    }

    fn epoch(&self) -> u64 {
        self.reader.shared().identity.epoch
    }

    async fn position(&self) -> Result<PartitionPosition, LogError> {
        Ok(self.reader.shared().position())
    }

    fn seek(&mut self, offset: u64) {
        self.reader.seek(offset);
    }

    async fn next_batch(
        &mut self,
        records_max: usize,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Vec<Entry>, LogError> {
        self.reader.next_batch(records_max, bytes_max, wait).await
    }
}

#[async_trait]
impl LogReader for OwningReader {
    fn partition(&self) -> u32 {
        self.reader.partition()
    }

    fn epoch(&self) -> u64 {
        self.reader.epoch()
    }

    async fn position(&self) -> Result<PartitionPosition, LogError> {
        self.reader.position().await
    }

    fn seek(&mut self, offset: u64) {
        self.reader.seek(offset);
    }

    async fn next_batch(
        &mut self,
        records_max: usize,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Vec<Entry>, LogError> {
        self.reader.next_batch(records_max, bytes_max, wait).await
    }
}

#[async_trait]
impl PartitionReader for OwningReader {
    fn decided(&self) -> Option<Range<u64>> {
        self.shared().decided()
    }

    async fn decide(&mut self, batch: Range<u64>) -> Result<(), LogError> {
        self.shared().decide(batch)
    }

    async fn commit(&mut self, next_offset: u64) -> Result<(), LogError> {
        self.shared().commit(next_offset)
    }

    fn revoked(&self) -> watch::Receiver<bool> {
        self.never_revoked.subscribe()
    }
}

impl OwningReader {
    fn shared(&self) -> &Arc<Shared> {
        self.reader.reader.shared()
    }
}

impl Drop for OwningReader {
    fn drop(&mut self) {
        // After the close it would be given out for nothing, again and again.
        if !self.shared().queue.is_closed() {
            let _ = self.give_back.try_send(Arc::clone(self.shared()));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
