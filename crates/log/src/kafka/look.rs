use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::bounds::number;
use super::cluster::Cluster;
use super::cursor::Cursor;
use super::feed::Feed;
use super::quiet::{Quiet, unavailable};
use crate::{Entry, LogError, LogReader, PartitionPosition};

/// Reads a partition beside the group, which knows nothing of it.
pub(super) struct Look(Cursor<Quiet>);

impl Look {
    pub async fn begin(cluster: Arc<Cluster>, partition: u32, from: u64) -> Result<Self, LogError> {
        let topic = cluster.topic()?;
        if partition >= topic.partitions {
            return Err(LogError::UnknownPartition { partition });
        }
        let committed = cluster.position(partition).await?.committed;
        let consumer =
            BaseConsumer::from_config_and_context(&cluster.config.observer(), Quiet).map_err(unavailable)?;
        let consumer = Arc::new(consumer);
        let name = &cluster.config.topic;
        let feed = Arc::new(Feed::new(&consumer, name, partition)?);
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(name, number(partition)?, Offset::Beginning).map_err(unavailable)?;
        consumer.assign(&list).map_err(unavailable)?;
        consumer.pause(&list).map_err(unavailable)?;
        let mut cursor = Cursor::new(Arc::clone(&cluster), feed, (partition, topic.epoch(partition)), from);
        cursor.committed = committed;
        Ok(Self(cursor))
    }
}

#[async_trait]
impl LogReader for Look {
    fn partition(&self) -> u32 {
        self.0.partition
    }

    fn epoch(&self) -> u64 {
        self.0.epoch
    }

    async fn position(&self) -> Result<PartitionPosition, LogError> {
        self.0.cluster.position(self.0.partition).await
    }

    fn seek(&mut self, offset: u64) {
        self.0.seek(offset);
    }

    async fn next_batch(
        &mut self,
        records_max: usize,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Vec<Entry>, LogError> {
        // What the library has to say besides records; it would gather.
        while self.0.feed.consumer().poll(Duration::ZERO).is_some() {}
        self.0.next_batch(records_max, bytes_max, wait).await
    }
}

impl Drop for Look {
    /// The library blocks while a consumer ends.
    fn drop(&mut self) {
        let feed = Arc::clone(&self.0.feed);
        std::thread::spawn(move || {
            feed.end();
            drop(feed);
        });
    }
}
