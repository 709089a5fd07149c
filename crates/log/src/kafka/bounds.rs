use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::{Offset, TopicPartitionList};

use super::quiet::unavailable;
use crate::LogError;

/// Which offsets a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The oldest that is kept.
    pub first: u64,
    /// The one behind the last that all in-sync replicas have.
    pub end: u64,
}

/// Asks the partitions' leaders, in the order given. Blocks, at most twice `limit`.
pub(super) fn bounds<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[u32],
    limit: Duration,
) -> Result<Vec<Bounds>, LogError> {
    let firsts = offsets(consumer, topic, partitions, Offset::Beginning, limit)?;
    let ends = offsets(consumer, topic, partitions, Offset::End, limit)?;
    Ok(firsts.into_iter().zip(ends).map(|(first, end)| Bounds { first, end }).collect())
}

/// One request to each leader, where the calls named for this make two for each partition.
fn offsets<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[u32],
    which: Offset,
    limit: Duration,
) -> Result<Vec<u64>, LogError> {
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        asked.add_partition_offset(topic, number(*partition)?, which).map_err(unavailable)?;
    }
    let found = consumer.offsets_for_times(asked, limit).map_err(unavailable)?;
    partitions
        .iter()
        .map(|partition| {
            let of = found.find_partition(topic, number(*partition)?);
            let of = of.ok_or_else(|| unavailable("the brokers left a partition out"))?;
            of.error().map_err(unavailable)?;
            match of.offset() {
                Offset::Offset(offset) => u64::try_from(offset).map_err(unavailable),
                other => Err(unavailable(format!("a partition's offset is {other:?}"))),
            }
        })
        .collect()
}

/// A partition's number as Kafka counts.
pub(super) fn number(partition: u32) -> Result<i32, LogError> {
    i32::try_from(partition).map_err(|_too_large| LogError::UnknownPartition { partition })
}
