use std::sync::{Arc, Weak};
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::bounds::{Bounds, bounds, number};
use super::describe::{Topic, describe};
use super::position::committed;
use super::quiet::{Quiet, unavailable};
use super::topic;
use crate::{KafkaConfig, LogError, PartitionPosition, metrics};

/// How long brokers may take to answer a question.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(5);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);
const DELETE_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_secs(5);
const LOOK_EVERY_WHILE_UNKNOWN: Duration = Duration::from_millis(250);
const SERVE_EVERY: Duration = Duration::from_secs(1);
/// Of the observer's events at once: they are told to nobody.
const SERVED_MAX: usize = 1000;

/// The brokers as all parts of the log see them: what they know of the topic, and questions to them.
pub(super) struct Cluster {
    pub config: KafkaConfig,
    admin: AdminClient<Quiet>,
    observer: BaseConsumer<Quiet>,
    topic: watch::Sender<Option<Topic>>,
    closed: watch::Sender<bool>,
    /// Subscriptions that were dropped, and are not out of the group yet.
    leaving: watch::Sender<usize>,
}

impl Cluster {
    /// Connects in the background.
    pub fn new(config: KafkaConfig) -> Result<Self, LogError> {
        let refused = |error: rdkafka::error::KafkaError| LogError::Config {
            option: "properties",
            rule: format!("must be taken by librdkafka, which says: {error}"),
        };
        let admin = AdminClient::from_config_and_context(&config.observer(), Quiet).map_err(refused)?;
        let observer = BaseConsumer::from_config_and_context(&config.observer(), Quiet).map_err(refused)?;
        let (topic, closed, leaving) =
            (watch::Sender::default(), watch::Sender::default(), watch::Sender::default());
        Ok(Self { config, admin, observer, topic, closed, leaving })
    }

    /// The topic, once it is known.
    pub fn topic(&self) -> Result<Topic, LogError> {
        self.topic.borrow().ok_or_else(|| unavailable("the log's topic is not known yet"))
    }

    /// Turns true when the log is closed.
    pub fn closed(&self) -> &watch::Sender<bool> {
        &self.closed
    }

    /// See the field.
    pub fn leaving(&self) -> &watch::Sender<usize> {
        &self.leaving
    }

    /// Asks what the topic is now, and makes it if there is none.
    pub async fn look(self: &Arc<Self>) -> Result<(), LogError> {
        let found = match self.describe().await? {
            Some(found) => found,
            None => {
                topic::create(&self.admin, &self.config).await?;
                self.describe().await?.ok_or_else(|| unavailable("the topic was just made"))?
            }
        };
        let known = self.topic.send_replace(Some(found));
        if known != Some(found) {
            self.tell(known, found);
        }
        Ok(())
    }

    /// Where these partitions stand. In the order given.
    pub async fn positions(
        self: &Arc<Self>,
        partitions: Vec<u32>,
    ) -> Result<Vec<PartitionPosition>, LogError> {
        let topic = self.topic()?;
        self.ask(move |cluster| {
            let name = &cluster.config.topic;
            let committed =
                cluster.patiently(|| committed(&cluster.observer, name, &partitions, ANSWER_MAX))?;
            let bounds = cluster.patiently(|| bounds(&cluster.observer, name, &partitions, ANSWER_MAX))?;
            let both = committed.into_iter().zip(bounds);
            let position = |(partition, (position, bounds)): (&u32, (super::position::Position, Bounds))| {
                PartitionPosition {
                    partition: *partition,
                    epoch: topic.epoch(*partition),
                    first_offset: bounds.first,
                    committed: position.next,
                    end_offset: bounds.end,
                    bytes: None,
                }
            };
            Ok(partitions.iter().zip(both).map(position).collect())
        })
        .await
    }

    /// Where one partition stands.
    pub async fn position(self: &Arc<Self>, partition: u32) -> Result<PartitionPosition, LogError> {
        let one = self.positions(vec![partition]).await?;
        one.into_iter().next().ok_or(LogError::UnknownPartition { partition })
    }

    /// Which offsets a partition holds.
    pub async fn bounds(self: &Arc<Self>, partition: u32) -> Result<Bounds, LogError> {
        let found = self
            .ask(move |cluster| {
                cluster
                    .patiently(|| bounds(&cluster.observer, &cluster.config.topic, &[partition], ANSWER_MAX))
            })
            .await?;
        found.first().copied().ok_or(LogError::UnknownPartition { partition })
    }

    /// Deletes the records below these offsets.
    pub async fn delete(&self, below: &[(u32, u64)]) -> Result<(), LogError> {
        let mut offsets = TopicPartitionList::with_capacity(below.len());
        for (partition, offset) in below {
            let offset = Offset::Offset(i64::try_from(*offset).map_err(unavailable)?);
            offsets
                .add_partition_offset(&self.config.topic, number(*partition)?, offset)
                .map_err(unavailable)?;
        }
        let options =
            AdminOptions::new().request_timeout(Some(DELETE_MAX)).operation_timeout(Some(DELETE_MAX));
        let deleted = self.admin.delete_records(&offsets, &options).await.map_err(unavailable)?;
        deleted.elements().iter().try_for_each(|of| of.error().map_err(unavailable))
    }

    /// Asks the observer again for a while. When partitions change their leaders, the old ones answer for a moment,
    /// wrongly; and the library would keep for minutes that a partition has no leader, if it is not told to look.
    fn patiently<T>(&self, question: impl Fn() -> Result<T, LogError>) -> Result<T, LogError> {
        let started = Instant::now();
        loop {
            match question() {
                Err(LogError::Unavailable { .. }) if started.elapsed() < ANSWER_MAX => {
                    let _still_away = self.observer.fetch_metadata(Some(&self.config.topic), ANSWER_MAX);
                    std::thread::sleep(ASK_AGAIN_AFTER);
                }
                answer => return answer,
            }
        }
    }

    async fn describe(self: &Arc<Self>) -> Result<Option<Topic>, LogError> {
        self.ask(|cluster| describe(cluster.admin.inner(), &cluster.config.topic, ANSWER_MAX)).await
    }

    /// The library's questions block.
    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Self) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let cluster = Arc::clone(self);
        // Only a runtime that shuts down cancels the task.
        tokio::task::spawn_blocking(move || question(&cluster)).await.map_err(|_ended| LogError::Closed)?
    }

    fn tell(&self, known: Option<Topic>, found: Topic) {
        let (topic, configured) = (self.config.topic.as_str(), self.config.partitions);
        match known {
            Some(known) if known.id != found.id => tracing::error!(
                topic,
                "the log's topic was made anew while it was in use: what was not read is lost"
            ),
            _ => tracing::info!(topic, partitions = found.partitions, "the log's topic is there"),
        }
        if found.partitions != configured {
            tracing::warn!(
                topic,
                partitions = found.partitions,
                configured,
                "the topic has another number of partitions than configured; the topic's number holds"
            );
        }
    }

    fn serve(&self) {
        for _ in 0..SERVED_MAX {
            if self.observer.poll(Duration::ZERO).is_none() {
                break;
            }
        }
    }

    async fn measure(self: &Arc<Self>) {
        let Ok(topic) = self.topic() else { return };
        if let Ok(positions) = self.positions((0..topic.partitions).collect()).await {
            positions.iter().for_each(|position| metrics::lag(position.partition, position.lag()));
        }
    }
}

/// Looks after the topic for as long as the log is there.
pub(super) async fn keep(cluster: Weak<Cluster>) {
    let (mut answers, mut looked) =
        (cluster.upgrade().is_some_and(|cluster| cluster.topic().is_ok()), Instant::now());
    loop {
        let pause = {
            let Some(cluster) = cluster.upgrade() else { return };
            cluster.serve();
            let known = cluster.topic().is_ok();
            if !known || looked.elapsed() >= LOOK_EVERY {
                let result = cluster.look().await;
                looked = Instant::now();
                if result.is_ok() != answers {
                    answers = result.is_ok();
                    match &result {
                        Ok(()) => tracing::info!("the log's brokers answer"),
                        Err(error) => tracing::warn!(%error, "the log waits for its brokers"),
                    }
                }
                cluster.measure().await;
            }
            if known { SERVE_EVERY } else { LOOK_EVERY_WHILE_UNKNOWN }
        };
        sleep(pause).await;
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("config", &self.config)
            .field("topic", &*self.topic.borrow())
            .finish_non_exhaustive()
    }
}
