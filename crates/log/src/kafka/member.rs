use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tokio::sync::mpsc::UnboundedSender;

use super::cluster::{ANSWER_MAX, Cluster};
use super::cursor::Cursor;
use super::feed::Feed;
use super::metrics;
use super::position::committed;
use super::quiet::{said, unavailable};
use super::reader::KafkaReader;
use super::slot::Slot;
use crate::LogError;

const POLL: Duration = Duration::from_millis(50);
/// A partition whose reader was dropped, or whose position the group did not tell, is offered again after this.
const OFFER_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// A process that asks for no partitions for so long is as good as dead: it is not polled for any more, and the
/// group takes its partitions after `max.poll.interval.ms`.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Without brokers to tell it to, a member just ends.
const LEAVE_MAX: Duration = Duration::from_secs(3);

/// What this member of the group was given. The library calls it from the thread that polls.
pub(super) struct Group {
    topic: String,
    handover: Duration,
    consumer: OnceLock<Weak<BaseConsumer<Group>>>,
    given: Mutex<BTreeMap<u32, Given>>,
}

struct Given {
    feed: Arc<Feed<Group>>,
    slot: Option<Arc<Slot>>,
    offer_at: Instant,
}

/// How a member's subscription tells that somebody still reads.
#[derive(Debug)]
pub(super) struct Interest {
    /// The subscription was dropped.
    pub over: AtomicBool,
    /// Somebody waits for partitions now.
    pub waiting: AtomicBool,
    /// When somebody last waited.
    pub last: Mutex<Instant>,
}

impl Interest {
    fn is_lost(&self) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        !self.waiting.load(Ordering::Acquire) && last.elapsed() > SILENCE_MAX
    }
}

/// A member of the group, on a thread of its own: the library's calls block, and so does a handover.
pub(super) struct Member {
    consumer: Arc<BaseConsumer<Group>>,
    cluster: Arc<Cluster>,
    offers: UnboundedSender<KafkaReader>,
    interest: Arc<Interest>,
}

impl Member {
    pub fn new(
        cluster: Arc<Cluster>,
        offers: UnboundedSender<KafkaReader>,
        interest: Arc<Interest>,
    ) -> Result<Self, LogError> {
        let config = &cluster.config;
        let group = Group {
            topic: config.topic.clone(),
            handover: Duration::from_millis(config.handover_ms),
            consumer: OnceLock::new(),
            given: Mutex::default(),
        };
        let consumer =
            BaseConsumer::from_config_and_context(&config.consumer(), group).map_err(unavailable)?;
        let consumer = Arc::new(consumer);
        let _first = consumer.context().consumer.set(Arc::downgrade(&consumer));
        consumer.subscribe(&[&config.topic]).map_err(unavailable)?;
        Ok(Self { consumer, cluster, offers, interest })
    }

    /// Serves the group until the subscription is dropped; then leaves it.
    pub fn run(&self) {
        let mut measured = Instant::now();
        while !self.interest.over.load(Ordering::Acquire) {
            if self.interest.is_lost() {
                sleep(POLL);
                continue;
            }
            self.serve(POLL);
            self.offer();
            if measured.elapsed() >= Duration::from_secs(1) {
                measured = Instant::now();
                self.group().measure();
            }
        }
        self.leave();
    }

    fn serve(&self, wait: Duration) {
        match self.consumer.poll(wait) {
            None => {}
            // Every partition has a feed of its own before it is taken.
            Some(Ok(_stray)) => tracing::error!("a record of the log came outside of its partition's feed"),
            Some(Err(error)) => said("consumer", &error.to_string()),
        }
    }

    /// Makes a reader for each partition that has none.
    fn offer(&self) {
        let Ok(topic) = self.cluster.topic() else { return };
        for partition in self.group().without_reader(|partition| topic.epoch(partition)) {
            let name = &self.cluster.config.topic;
            let position = match committed(&self.consumer, name, &[partition], ANSWER_MAX) {
                Ok(positions) => positions.first().copied().unwrap_or_default(),
                Err(error) => {
                    tracing::debug!(partition, %error, "the group does not tell a partition's position yet");
                    self.group().offer_later(partition);
                    continue;
                }
            };
            let place = (partition, topic.epoch(partition));
            let Some((feed, slot)) = self.group().open(place) else { continue };
            let cursor = Cursor::new(Arc::clone(&self.cluster), feed, place, position.next);
            let _dropped = self.offers.send(KafkaReader::new(slot, cursor, position));
        }
    }

    fn leave(&self) {
        self.group().release(None, self.group().handover);
        if let Err(error) = self.consumer.close_queue() {
            said("close", &error.to_string());
            return;
        }
        let deadline = Instant::now() + LEAVE_MAX;
        while !self.consumer.closed() && Instant::now() < deadline {
            self.serve(POLL);
        }
    }

    fn group(&self) -> &Group {
        self.consumer.context()
    }
}

impl Group {
    fn given(&self) -> MutexGuard<'_, BTreeMap<u32, Given>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Partitions to be offered now. A reader of another epoch reads a topic that is gone.
    fn without_reader(&self, epoch: impl Fn(u32) -> u64) -> Vec<u32> {
        let now = Instant::now();
        let mut without = Vec::new();
        for (partition, given) in self.given().iter_mut() {
            if let Some(slot) =
                given.slot.take_if(|slot| slot.epoch != epoch(*partition) || slot.is_dropped())
            {
                slot.end();
                given.offer_at = now + OFFER_AGAIN_AFTER;
            }
            if given.slot.is_none() && given.offer_at <= now {
                without.push(*partition);
            }
        }
        without
    }

    fn offer_later(&self, partition: u32) {
        if let Some(given) = self.given().get_mut(&partition) {
            given.offer_at = Instant::now() + OFFER_AGAIN_AFTER;
        }
    }

    fn open(&self, (partition, epoch): (u32, u64)) -> Option<(Arc<Feed<Self>>, Arc<Slot>)> {
        let mut all = self.given();
        let given = all.get_mut(&partition)?;
        let slot = Arc::new(Slot::new(partition, epoch));
        given.slot = Some(Arc::clone(&slot));
        Some((Arc::clone(&given.feed), slot))
    }

    fn take(&self, consumer: &Arc<BaseConsumer<Self>>, partitions: &[u32]) {
        for partition in partitions {
            match Feed::new(consumer, &self.topic, *partition) {
                Ok(feed) => {
                    let given = Given { feed: Arc::new(feed), slot: None, offer_at: Instant::now() };
                    self.given().insert(*partition, given);
                }
                Err(error) => tracing::error!(partition, %error, "a partition that was given can't be read"),
            }
        }
    }

    /// Lets readers finish for so long, all together, and gives their partitions up: these, or all.
    fn release(&self, partitions: Option<&[u32]>, handover: Duration) {
        let gone: Vec<Given> = {
            let mut all = self.given();
            let named = |partition: &u32| partitions.is_none_or(|named| named.contains(partition));
            let names: Vec<u32> = all.keys().copied().filter(named).collect();
            names.iter().filter_map(|partition| all.remove(partition)).collect()
        };
        let slots = || gone.iter().filter_map(|given| given.slot.as_ref());
        slots().for_each(|slot| slot.revoke());
        let until = Instant::now() + handover;
        if !handover.is_zero() {
            slots().for_each(|slot| slot.wait_dropped(until));
        }
        slots().for_each(|slot| slot.end());
        for given in &gone {
            given.feed.end();
            if let Some(slot) = &given.slot {
                crate::metrics::oldest_unread(slot.partition, 0);
            }
        }
    }

    fn measure(&self) {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
        for given in self.given().values() {
            if let Some(slot) = &given.slot {
                let since = *slot.waiting_since_ms.lock().unwrap_or_else(PoisonError::into_inner);
                let age_ms = since.map_or(0, |since| now_ms.saturating_sub(since).max(0));
                crate::metrics::oldest_unread(slot.partition, age_ms.unsigned_abs());
            }
        }
    }

    /// The library's own start of reading is never waited for: a reader says where it begins.
    fn assign(&self, consumer: &BaseConsumer<Self>, list: &mut TopicPartitionList) -> Result<(), KafkaError> {
        list.set_all_offsets(Offset::Beginning)?;
        consumer.incremental_assign(list)?;
        consumer.pause(list)
    }
}

impl ClientContext for Group {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        said(facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        said(&error.to_string(), reason);
    }
}

impl ConsumerContext for Group {
    /// Partitions are taken and given up one by one (the cooperative protocol), so all others are read on.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        change: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let elements = list.elements();
        let partitions: Vec<u32> =
            elements.iter().filter_map(|of| u32::try_from(of.partition()).ok()).collect();
        let result = match change {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                if let Some(consumer) = self.consumer.get().and_then(Weak::upgrade) {
                    self.take(&consumer, &partitions);
                }
                self.assign(consumer, list)
            }
            _ => {
                // Another has them already: there is nothing to finish.
                let lost = consumer.assignment_lost();
                self.release(Some(&partitions), if lost { Duration::ZERO } else { self.handover });
                consumer.incremental_unassign(list)
            }
        };
        if let Err(error) = result {
            tracing::error!(%error, "the library does not take the partitions that the group gave");
        }
        let reads_now = self.given().len();
        metrics::rebalanced(reads_now);
        tracing::info!(?partitions, reads_now, ?change, "the group changed what this process reads");
    }
}
