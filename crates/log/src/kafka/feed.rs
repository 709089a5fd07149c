use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::Notify;

use super::bounds::number;
use super::quiet::unavailable;
use crate::LogError;

const SEEK_MAX: Duration = Duration::from_secs(5);

/// One partition's records as they arrive from its leader, fetched ahead up to a bound. It is there for as long
/// as the consumer has the partition, and given to one reader after the other.
pub(super) struct Feed<C: ConsumerContext> {
    consumer: Arc<BaseConsumer<C>>,
    topic: String,
    partition: u32,
    /// Gone once the partition is given up.
    queue: Mutex<Option<PartitionQueue<C>>>,
    arrived: Arc<Notify>,
}

impl<C: ConsumerContext + 'static> Feed<C> {
    /// To be made before the consumer takes the partition, so that nothing arrives elsewhere.
    pub fn new(consumer: &Arc<BaseConsumer<C>>, topic: &str, partition: u32) -> Result<Self, LogError> {
        let queue = consumer.split_partition_queue(topic, number(partition)?);
        let mut queue = queue.ok_or(LogError::UnknownPartition { partition })?;
        let arrived = Arc::new(Notify::new());
        let notify = Arc::clone(&arrived);
        queue.set_nonempty_callback(move || notify.notify_one());
        Ok(Self {
            consumer: Arc::clone(consumer),
            topic: topic.to_owned(),
            partition,
            queue: Mutex::new(Some(queue)),
            arrived,
        })
    }

    /// The consumer that the records come through.
    pub fn consumer(&self) -> &Arc<BaseConsumer<C>> {
        &self.consumer
    }

    /// Hands over what has arrived, until it says that it wants no more. False if the partition was given up.
    pub fn drain(&self, mut take: impl FnMut(KafkaResult<BorrowedMessage<'_>>) -> bool) -> bool {
        let queue = self.queue();
        let Some(queue) = queue.as_ref() else { return false };
        while let Some(arrived) = queue.poll(Duration::ZERO) {
            if !take(arrived) {
                break;
            }
        }
        true
    }

    /// Waits until something arrives, which may have happened already.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Fetches from this offset on; what was fetched before is dropped. Blocks.
    pub fn seek(&self, offset: u64) -> Result<(), LogError> {
        let one = self.partition_list()?;
        // First to go on: a pause that ends would go back to where it began.
        self.consumer.resume(&one).map_err(unavailable)?;
        let mut to = one;
        let offset = Offset::Offset(i64::try_from(offset).map_err(unavailable)?);
        to.set_all_offsets(offset).map_err(unavailable)?;
        let sought = self.consumer.seek_partitions(to, SEEK_MAX).map_err(unavailable)?;
        sought.elements().iter().try_for_each(|of| of.error().map_err(unavailable))
    }

    /// Gives the partition up: readers find nothing more here.
    pub fn end(&self) {
        self.queue().take();
    }

    fn partition_list(&self) -> Result<TopicPartitionList, LogError> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&self.topic, number(self.partition)?);
        Ok(list)
    }

    fn queue(&self) -> MutexGuard<'_, Option<PartitionQueue<C>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
