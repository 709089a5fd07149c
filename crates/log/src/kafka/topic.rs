use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::types::RDKafkaErrorCode;
use xxhash_rust::xxh64::xxh64;

use super::describe::Topic;
use super::quiet::{Quiet, unavailable};
use crate::{KafkaConfig, LogError};

const CREATE_MAX: Duration = Duration::from_secs(15);

impl Topic {
    /// The epoch of one of its partitions: never zero, and another one when the topic is made anew.
    pub fn epoch(&self, partition: u32) -> u64 {
        xxh64(&self.id.to_be_bytes(), u64::from(partition)).max(1)
    }
}

/// Makes the topic, unless another process is quicker.
pub(super) async fn create(admin: &AdminClient<Quiet>, config: &KafkaConfig) -> Result<(), LogError> {
    let settings = config.topic_settings();
    let partitions = i32::try_from(config.partitions).expect("its limit was checked");
    let mut topic =
        NewTopic::new(&config.topic, partitions, TopicReplication::Fixed(i32::from(config.replication)));
    for (name, value) in &settings {
        topic = topic.set(name, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(CREATE_MAX)).request_timeout(Some(CREATE_MAX));
    let made = admin.create_topics([&topic], &options).await.map_err(unavailable)?;
    match made.into_iter().next() {
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
        Some(Err((name, code))) => Err(unavailable(format!("topic {name} can't be made: {code}"))),
        _ => {
            tracing::info!(
                topic = config.topic,
                config.partitions,
                config.replication,
                "made the log's topic"
            );
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_and_partition_has_its_own_epoch() {
        let epochs = [(1, 0), (1, 1), (2, 0), (2, 1)]
            .map(|(id, partition)| Topic { id, partitions: 2 }.epoch(partition));
        let mut distinct = epochs.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), epochs.len());
        assert!(!distinct.contains(&0));
    }
}
