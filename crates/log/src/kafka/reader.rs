use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::cursor::Cursor;
use super::member::Group;
use super::position::{CommitError, Position, commit};
use super::quiet::unavailable;
use super::slot::Slot;
use crate::{Entry, LogError, LogReader, PartitionPosition, PartitionReader};

/// The group may be about to tell this member what changed.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// A partition that this process was given.
pub(super) struct KafkaReader {
    slot: Arc<Slot>,
    cursor: Cursor<Group>,
    position: Position,
}

impl KafkaReader {
    pub fn new(slot: Arc<Slot>, mut cursor: Cursor<Group>, position: Position) -> Self {
        cursor.committed = position.next;
        Self { slot, cursor, position }
    }

    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    fn revoked_error(&self) -> LogError {
        LogError::Revoked { partition: self.slot.partition }
    }

    /// Commits, if this process still is the one. Between two assignments the group refuses for a moment what it
    /// takes soon after, so it is asked again until it is clear whose the partition is.
    async fn keep(&mut self, position: Position) -> Result<(), LogError> {
        let cluster = &self.cursor.cluster;
        let deadline = Instant::now() + Duration::from_millis(cluster.config.session_timeout_ms) * 2;
        loop {
            match self.try_keep(position).await? {
                None => break,
                Some(reason) if Instant::now() >= deadline => return Err(unavailable(reason)),
                Some(_not_member) => sleep(TRY_AGAIN_AFTER).await,
            }
        }
        self.position = position;
        self.cursor.committed = self.cursor.committed.max(position.next);
        Ok(())
    }

    /// `Some` with the group's words if it does not take this member for one.
    async fn try_keep(&self, position: Position) -> Result<Option<String>, LogError> {
        let held = Arc::clone(&self.slot.commits).lock_owned().await;
        let (slot, feed, cluster) =
            (Arc::clone(&self.slot), Arc::clone(&self.cursor.feed), Arc::clone(&self.cursor.cluster));
        let committed = tokio::task::spawn_blocking(move || {
            let _held = held;
            if slot.is_over() {
                return Err(None);
            }
            let topic = &cluster.config.topic;
            commit(feed.consumer(), topic, slot.partition, position).map_err(Some)
        });
        match committed.await {
            Ok(Ok(())) => Ok(None),
            Ok(Err(None)) => Err(self.revoked_error()),
            Ok(Err(Some(CommitError::NotMember(reason)))) => Ok(Some(reason)),
            Ok(Err(Some(CommitError::Away(error)))) => Err(error),
            // Only a runtime that shuts down cancels the task.
            Err(_ended) => Err(LogError::Closed),
        }
    }

    /// What lies beyond what was read must be asked for.
    async fn check_end(&self, asked: u64) -> Result<(), LogError> {
        if asked <= self.cursor.position.max(self.position.next) {
            return Ok(());
        }
        let end = self.cursor.cluster.bounds(self.slot.partition).await?.end;
        if asked > end { Err(LogError::CommitBeyondEnd { asked, end }) } else { Ok(()) }
    }
}

#[async_trait]
impl LogReader for KafkaReader {
    fn partition(&self) -> u32 {
        self.slot.partition
    }

    fn epoch(&self) -> u64 {
        self.slot.epoch
    }

    async fn position(&self) -> Result<PartitionPosition, LogError> {
        self.cursor.cluster.position(self.slot.partition).await
    }

    fn seek(&mut self, offset: u64) {
        self.cursor.seek(offset);
    }

    async fn next_batch(
        &mut self,
        records_max: usize,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Vec<Entry>, LogError> {
        let mut revoked = self.slot.revoked.subscribe();
        let entries = tokio::select! {
            biased;
            _changed = revoked.wait_for(|revoked| *revoked) => return Err(self.revoked_error()),
            entries = self.cursor.next_batch(records_max, bytes_max, wait) => entries?,
        };
        let mut since = self.slot.waiting_since_ms.lock().unwrap_or_else(PoisonError::into_inner);
        *since = since.or(self.cursor.appended_ms.filter(|_| !entries.is_empty()));
        Ok(entries)
    }
}

#[async_trait]
impl PartitionReader for KafkaReader {
    fn decided(&self) -> Option<Range<u64>> {
        self.position.decided()
    }

    async fn decide(&mut self, batch: Range<u64>) -> Result<(), LogError> {
        self.check_end(batch.end).await?;
        self.keep(Position { next: batch.start, decided_end: Some(batch.end) }).await
    }

    async fn commit(&mut self, next_offset: u64) -> Result<(), LogError> {
        if next_offset <= self.position.next {
            return Ok(());
        }
        self.check_end(next_offset).await?;
        self.keep(Position { next: next_offset, decided_end: None }).await?;
        if next_offset >= self.cursor.position {
            *self.slot.waiting_since_ms.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Ok(())
    }

    fn revoked(&self) -> watch::Receiver<bool> {
        self.slot.revoked.subscribe()
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        self.slot.say_dropped();
    }
}
