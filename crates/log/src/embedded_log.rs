use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::disk::{Disk, SystemDisk};
use crate::embedded_subscription::{EmbeddedReader, EmbeddedSubscription};
use crate::layout::Layout;
use crate::room::Room;
use crate::segment_log::{SegmentLog, check_limits};
use crate::{
    EventLog, LogConfig, LogError, LogReader, PartitionPosition, PartitionedBatch, Reader, RecordBatch,
    Subscription,
};

/// The log in files of this process: each partition is a [`SegmentLog`] in a folder of its own, with a writer and syncs
/// of its own. They share one lock, the bounds of the queue and of the disk. Dropping it closes it.
///
/// Beyond the contract of [`EventLog`]:
/// - The number of partitions changes only at an open that finds everything committed, so that nothing of the old
///   placement is read beside the new one. Otherwise the old number stays for this time, with a warning. Partitions that
///   are not written any more are still given to the subscription, and listed.
/// - A reader of the subscription that is dropped gives its partition back: [`Subscription::next`] gives it again. After
///   the close it does not.
/// - After the close, readers read to the end, but nothing can be decided or committed: the folder is free for
///   another process.
/// - [`EventLog::forget`] deletes exactly: a segment that holds records on both sides of the offset is cut, the present one
///   too. Space on the medium is freed, not overwritten.
#[derive(Debug)]
pub struct EmbeddedLog {
    /// All that are there; the first `written` of them get records.
    partitions: Vec<SegmentLog>,
    written: u32,
    config: LogConfig,
    room: Arc<Room>,
    /// Whether there is a subscription, or a reader of one.
    subscribed: Arc<AtomicBool>,
    closed: watch::Sender<bool>,
}

impl EmbeddedLog {
    /// Opens the log in `config.dir`, or makes it. A log of one partition that lies in the folder itself is
    /// moved into a folder of its partition. Blocks on the disk; for each partition it takes as long as
    /// [`SegmentLog::open`].
    ///
    /// # Errors
    /// As for [`SegmentLog::open`].
    pub fn open(config: LogConfig) -> Result<Self, LogError> {
        Self::open_on(config, Arc::new(SystemDisk::default()))
    }

    pub(crate) fn open_on(config: LogConfig, disk: Arc<dyn Disk>) -> Result<Self, LogError> {
        config.check()?;
        let (layout, lock) = Layout::prepare(&config.dir)?;
        let lock = Arc::new(lock);
        let room = Arc::new(Room::new(&config, disk));
        let open = |partition| {
            let folder = layout.partition(partition)?;
            let (room, lock) = (Arc::clone(&room), Arc::clone(&lock));
            SegmentLog::open_partition(config.clone(), partition, folder, room, lock)
        };
        let found = (0..layout.found()?).map(open).collect::<Result<Vec<_>, _>>()?;
        let written = settle_number(&layout, &found, config.partitions)?;
        let missing = found.len() as u32..written;
        let made = missing.map(open).collect::<Result<Vec<_>, _>>()?;
        let partitions = found.into_iter().chain(made).collect();
        Ok(Self {
            partitions,
            written,
            config,
            room,
            subscribed: Arc::default(),
            closed: watch::Sender::new(false),
        })
    }

    fn partition(&self, partition: u32) -> Result<&SegmentLog, LogError> {
        self.partitions.get(partition as usize).ok_or(LogError::UnknownPartition { partition })
    }

    /// Hands each part to its partition and waits until all of them are durable or refused.
    async fn append_parts(&self, parts: Vec<(u32, RecordBatch)>) -> Result<(), LogError> {
        let records: Vec<&RecordBatch> = parts.iter().map(|(_, records)| records).collect();
        check_limits(&records, &self.config)?;
        let admissions = self.room.admit(&records)?;
        let (mut answers, mut result) = (Vec::with_capacity(parts.len()), Ok(()));
        for ((partition, records), admission) in parts.into_iter().zip(admissions) {
            // A part that is not taken, as its writer ends, fails the append; the others may be kept.
            match self.partition(partition)?.hand_over(records, admission) {
                Ok(answer) => answers.push(answer),
                Err(error) => result = Err(error),
            }
        }
        for answer in answers {
            let written = answer.await.unwrap_or(Err(LogError::Closed));
            result = result.and(written.map(drop));
        }
        result
    }
}

/// Decides how many partitions are written, and keeps that.
fn settle_number(layout: &Layout, found: &[SegmentLog], wanted: u32) -> Result<u32, LogError> {
    let known = layout.written()?.filter(|number| *number > 0);
    let known = known.or((!found.is_empty()).then_some(found.len() as u32));
    let unread: u64 = found.iter().map(SegmentLog::lag).sum();
    let number = match known {
        Some(known) if known != wanted && unread > 0 => {
            tracing::warn!(
                written = known,
                wanted,
                unread,
                "the log's number of partitions stays until all of its records are stored: let the pipeline catch up and start once more"
            );
            known
        }
        _ => wanted,
    };
    if layout.written()? != Some(number) {
        layout.write(number)?;
    }
    Ok(number)
}

#[async_trait]
impl EventLog for EmbeddedLog {
    fn partitions(&self) -> u32 {
        self.written
    }

    async fn append(&self, batch: PartitionedBatch) -> Result<(), LogError> {
        let parts: Vec<(u32, RecordBatch)> = batch.into_parts().collect();
        match parts.iter().find(|(partition, _)| *partition >= self.written) {
            Some((partition, _)) => Err(LogError::UnknownPartition { partition: *partition }),
            None if parts.is_empty() => Ok(()),
            None => self.append_parts(parts).await,
        }
    }

    async fn subscribe(&self) -> Result<Box<dyn Subscription>, LogError> {
        if *self.closed.borrow() {
            return Err(LogError::Closed);
        }
        if self.subscribed.swap(true, Ordering::AcqRel) {
            return Err(LogError::Subscribed);
        }
        let partitions = self.partitions.iter().map(|log| Arc::clone(log.shared())).collect();
        let subscribed = Arc::clone(&self.subscribed);
        Ok(Box::new(EmbeddedSubscription::new(partitions, subscribed, self.closed.subscribe())))
    }

    async fn positions(&self) -> Result<Vec<PartitionPosition>, LogError> {
        Ok(self.partitions.iter().map(|log| log.shared().position()).collect())
    }

    async fn look(&self, partition: u32, from_offset: u64) -> Result<Box<dyn LogReader>, LogError> {
        let shared = Arc::clone(self.partition(partition)?.shared());
        Ok(Box::new(EmbeddedReader::new(Reader::new(shared, from_offset))))
    }

    async fn forget(&self, below: &[(u32, u64)]) -> Result<(), LogError> {
        for (partition, offset) in below {
            let committed = self.partition(*partition)?.committed();
            if *offset > committed {
                return Err(LogError::NotCommitted { partition: *partition, asked: *offset, committed });
            }
        }
        for (partition, offset) in below {
            self.partition(*partition)?.shared().forget(*offset).await?;
        }
        Ok(())
    }

    async fn close(&self) {
        self.closed.send_replace(true);
        // All of them stop taking first, then each is waited for.
        self.partitions.iter().for_each(|log| log.shared().queue.close());
        for log in &self.partitions {
            log.clone().close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A partition takes nothing any more when its writer broke down.
    #[tokio::test]
    async fn a_dead_partition_takes_no_room_from_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let config = LogConfig {
            partitions: 3,
            append_queue_records_max: 4,
            disk_free_bytes_min: 0,
            ..LogConfig::new(folder.path())
        };
        let log = EmbeddedLog::open(config).unwrap();
        log.partition(1).unwrap().shared().queue.abandon();
        let batch = |keys: std::ops::Range<u64>| {
            let mut batch = log.batch();
            keys.for_each(|key| batch.push_with(key, |buffer| buffer.extend_from_slice(b"record")));
            batch
        };
        for _ in 0..5 {
            assert!(matches!(log.append(batch(0..3)).await, Err(LogError::Closed)));
        }
        log.append(batch(2..3)).await.unwrap();
        let ends: Vec<u64> = log.positions().await.unwrap().iter().map(|at| at.end_offset).collect();
        assert_eq!(ends, [5, 0, 6]);
    }
}
