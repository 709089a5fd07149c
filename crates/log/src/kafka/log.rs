use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::append::Appender;
use super::cluster::{Cluster, keep};
use super::look::Look;
use super::metrics;
use super::quiet::unavailable;
use super::subscription::KafkaSubscription;
use crate::{EventLog, KafkaConfig, LogError, LogReader, PartitionPosition, PartitionedBatch, Subscription};

/// How long [`KafkaLog::open`] waits for brokers.
const OPEN_MAX: Duration = Duration::from_secs(5);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// On top of the time of a handover.
const LEAVE_GRACE: Duration = Duration::from_secs(5);

/// The log of a cluster: a Kafka topic. Any number of processes append to it, and share its partitions as
/// readers. See [`KafkaConfig`] for the limits.
pub struct KafkaLog {
    cluster: Arc<Cluster>,
    appender: Appender,
    keeper: JoinHandle<()>,
}

impl KafkaLog {
    /// Connects, and makes the topic if it is missing. Brokers that do not answer within 5 seconds are waited for
    /// in the background: until they do, everything is refused as [`LogError::Unavailable`].
    ///
    /// # Errors
    /// [`LogError::Config`].
    pub async fn open(config: KafkaConfig) -> Result<Self, LogError> {
        config.check()?;
        let appender = Appender::new(&config)?;
        let cluster = Arc::new(Cluster::new(config)?);
        let looked = async {
            // A topic that was just made takes a moment until all brokers know it, and who leads its partitions.
            while let Err(error) = Self::look(&cluster).await {
                tracing::debug!(%error, "the log's topic is not known yet");
                sleep(LOOK_AGAIN_AFTER).await;
            }
        };
        if timeout(OPEN_MAX, looked).await.is_err() {
            tracing::warn!("the log waits for its brokers");
        }
        let keeper = tokio::spawn(keep(Arc::downgrade(&cluster)));
        Ok(Self { cluster, appender, keeper })
    }

    async fn look(cluster: &Arc<Cluster>) -> Result<(), LogError> {
        cluster.look().await?;
        let topic = cluster.topic()?;
        cluster.positions((0..topic.partitions).collect()).await.map(drop)
    }

    fn check_open(&self) -> Result<(), LogError> {
        if *self.cluster.closed().borrow() { Err(LogError::Closed) } else { Ok(()) }
    }

    async fn try_append(&self, batch: PartitionedBatch) -> Result<(), LogError> {
        self.check_open()?;
        let topic = self.cluster.topic()?;
        if batch.partitions() != topic.partitions {
            return Err(unavailable(
                "the records were placed before the topic's number of partitions was known",
            ));
        }
        self.appender.append(batch).await
    }
}

#[async_trait]
impl EventLog for KafkaLog {
    /// The configured number until the topic is known, and then the topic's.
    fn partitions(&self) -> u32 {
        self.cluster.topic().map_or(self.cluster.config.partitions, |topic| topic.partitions)
    }

    async fn append(&self, batch: PartitionedBatch) -> Result<(), LogError> {
        let result = self.try_append(batch).await;
        if let Err(error) = &result {
            metrics::refused(error);
        }
        result
    }

    async fn subscribe(&self) -> Result<Box<dyn Subscription>, LogError> {
        self.check_open()?;
        Ok(Box::new(KafkaSubscription::begin(Arc::clone(&self.cluster))?))
    }

    async fn positions(&self) -> Result<Vec<PartitionPosition>, LogError> {
        let topic = self.cluster.topic()?;
        self.cluster.positions((0..topic.partitions).collect()).await
    }

    async fn look(&self, partition: u32, from_offset: u64) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(Look::begin(Arc::clone(&self.cluster), partition, from_offset).await?))
    }

    async fn forget(&self, below: &[(u32, u64)]) -> Result<(), LogError> {
        let topic = self.cluster.topic()?;
        if let Some((partition, _)) = below.iter().find(|(partition, _)| *partition >= topic.partitions) {
            return Err(LogError::UnknownPartition { partition: *partition });
        }
        let partitions = below.iter().map(|(partition, _)| *partition).collect();
        let positions = self.cluster.positions(partitions).await?;
        for ((partition, asked), position) in below.iter().zip(&positions) {
            if *asked > position.committed {
                let (partition, asked) = (*partition, *asked);
                return Err(LogError::NotCommitted { partition, asked, committed: position.committed });
            }
        }
        let kept =
            below.iter().zip(&positions).filter(|((_, below), position)| *below > position.first_offset);
        let below: Vec<(u32, u64)> = kept.map(|(below, _)| *below).collect();
        if below.is_empty() { Ok(()) } else { self.cluster.delete(&below).await }
    }

    async fn close(&self) {
        self.cluster.closed().send_replace(true);
        self.appender.flush().await;
        let limit = Duration::from_millis(self.cluster.config.handover_ms) + LEAVE_GRACE;
        let mut leaving = self.cluster.leaving().subscribe();
        let _late = timeout(limit, leaving.wait_for(|leaving| *leaving == 0)).await;
    }
}

impl Drop for KafkaLog {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl std::fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaLog").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}
