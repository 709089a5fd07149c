use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{Entry, LogError, PartitionedBatch};

/// The log that stands between accepting and storing: partitions of records, each in the order of its
/// offsets. Kept by [`crate::EmbeddedLog`] in this process, or by [`crate::KafkaLog`] in a cluster; both
/// pass one suite of tests, and nobody else can tell them apart.
#[async_trait]
pub trait EventLog: std::fmt::Debug + Send + Sync {
    /// Into how many partitions records are placed now. At least 1; the same for as long as the log is open.
    fn partitions(&self) -> u32;

    /// An empty batch for [`Self::append`].
    fn batch(&self) -> PartitionedBatch {
        PartitionedBatch::new(self.partitions())
    }

    /// Appends the records and returns once all of them are durable: on disk, or acknowledged by all in-sync
    /// replicas. Whoever stops waiting knows as little as after an error.
    ///
    /// # Errors
    /// Nothing is acknowledged. Some records may be in the log all the same: who sends them again must mark
    /// them with the same ids. At once, with nothing kept: [`LogError::Overloaded`], [`LogError::Full`],
    /// [`LogError::RecordTooLarge`], [`LogError::BatchTooLarge`].
    async fn append(&self, batch: PartitionedBatch) -> Result<(), LogError>;

    /// Begins to read for the one pipeline that all processes form together: each partition is given to one
    /// of them. The embedded log gives all of its partitions to the first subscription, and refuses a second.
    ///
    /// # Errors
    /// The log can't be reached, or it is being read already.
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, LogError>;

    /// Where each partition stands, those without new records too, in the order of their numbers.
    ///
    /// # Errors
    /// The log can't be reached.
    async fn positions(&self) -> Result<Vec<PartitionPosition>, LogError>;

    /// A reader outside of the pipeline, for those who check: it commits nothing and disturbs nobody.
    ///
    /// # Errors
    /// There is no such partition, or the log can't be reached.
    async fn look(&self, partition: u32, from_offset: u64) -> Result<Box<dyn LogReader>, LogError>;

    /// Deletes the records below these offsets, one for each `(partition, offset)`, where they are committed;
    /// returns when they are gone from disk, or from all replicas. A record of the same segment that is not
    /// below stays. For the deletion of a person's data; the log's own retention needs no call.
    ///
    /// # Errors
    /// [`LogError::NotCommitted`], with nothing deleted, or the log can't be reached.
    async fn forget(&self, below: &[(u32, u64)]) -> Result<(), LogError>;

    /// Writes what waits, answers it, and closes. Appends after it get [`LogError::Closed`]; readers read to
    /// the end.
    async fn close(&self);
}

/// Where a partition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionPosition {
    /// Its number.
    pub partition: u32,
    /// Tells this partition's offsets from those of any other log, also one made anew under the same name.
    /// Never zero.
    pub epoch: u64,
    /// The oldest offset that is kept.
    pub first_offset: u64,
    /// The first offset that is not committed.
    pub committed: u64,
    /// The offset behind the last durable record.
    pub end_offset: u64,
    /// Bytes on disk, where the log knows them.
    pub bytes: Option<u64>,
}

impl PartitionPosition {
    /// Durable records that are not committed.
    pub fn lag(&self) -> u64 {
        self.end_offset.saturating_sub(self.committed.max(self.first_offset))
    }
}

/// What this process is to read, as it changes.
#[async_trait]
pub trait Subscription: Send {
    /// Waits for the next partition that is given to this process. Must be called again and again, also while
    /// nothing is awaited: a cluster's log takes the partitions of a process that does not.
    ///
    /// A partition that is taken away is told on the reader itself ([`PartitionReader::revoked`]); it may be
    /// given again later, as a new reader. So is one whose reader was dropped, perhaps at once: who drops it because
    /// something failed should pause before the next try. A reader begins at the commit. Cancel safe. [`LogError::Closed`] once the log is closed and nothing
    /// more will be given.
    async fn next(&mut self) -> Result<Box<dyn PartitionReader>, LogError>;
}

/// Reads one partition by offset.
#[async_trait]
pub trait LogReader: Send {
    /// The partition's number.
    fn partition(&self) -> u32;

    /// See [`PartitionPosition::epoch`].
    fn epoch(&self) -> u64;

    /// Where the partition stands now.
    ///
    /// # Errors
    /// The log can't be reached.
    async fn position(&self) -> Result<PartitionPosition, LogError>;

    /// Reads on from this offset. What lies below the oldest kept one is then reported as
    /// [`Entry::Damaged`], unless it was committed.
    fn seek(&mut self, offset: u64);

    /// The next entries: at least one if there is any, up to `records_max` and about `bytes_max` of payload (the
    /// entry that reaches it is the last). At the durable end it waits up to `wait` and then returns none.
    ///
    /// Every offset is in exactly one entry, in order: a record, or a range that is lost. Cancel safe.
    ///
    /// # Errors
    /// [`LogError::Closed`] once the log is closed and read to its end; [`LogError::Revoked`]; the log can't be
    /// read just now, and the position stays where it was.
    async fn next_batch(
        &mut self,
        records_max: usize,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Vec<Entry>, LogError>;
}

/// Reads one partition for the pipeline, and owns it until it is revoked or dropped. To drop it is to say
/// that nothing more is done with the partition: whoever is given it next may wait for that.
#[async_trait]
pub trait PartitionReader: LogReader {
    /// The batch that was decided and may not be committed yet, by this reader or by an owner before it:
    /// its offsets. The ledger knows better what is committed.
    fn decided(&self) -> Option<Range<u64>>;

    /// Decides that these offsets are one batch, and keeps that for whoever owns the partition after a crash:
    /// they make the same batch. Outlives the process; a power failure may take back the last decision.
    ///
    /// # Errors
    /// [`LogError::Revoked`]: another process owns the partition. The log can't be reached.
    async fn decide(&mut self, batch: Range<u64>) -> Result<(), LogError>;

    /// Says that all records below `next_offset` are stored elsewhere. A position at or below the present one
    /// changes nothing.
    ///
    /// # Errors
    /// As for [`Self::decide`]; [`LogError::CommitBeyondEnd`].
    async fn commit(&mut self, next_offset: u64) -> Result<(), LogError>;

    /// Turns true when the partition is taken away. The batch in flight should be finished soon, or given up;
    /// then the reader is to be dropped. It is always false for the embedded log.
    fn revoked(&self) -> watch::Receiver<bool>;
}
