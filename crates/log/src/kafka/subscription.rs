use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::cluster::Cluster;
use super::member::{Interest, Member};
use super::quiet::unavailable;
use super::reader::KafkaReader;
use crate::{LogError, PartitionReader, Subscription};

/// What the group gives this process. To drop it is to leave the group, once all readers are dropped or the
/// time of a handover is over.
pub(super) struct KafkaSubscription {
    cluster: Arc<Cluster>,
    /// At most one reader for each partition waits here.
    offers: UnboundedReceiver<KafkaReader>,
    interest: Arc<Interest>,
}

impl KafkaSubscription {
    /// Joins the group in the background.
    pub fn begin(cluster: Arc<Cluster>) -> Result<Self, LogError> {
        let (sender, offers) = unbounded_channel();
        let interest = Interest {
            over: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            last: Mutex::new(Instant::now()),
        };
        let interest = Arc::new(interest);
        let member = Member::new(Arc::clone(&cluster), sender, Arc::clone(&interest))?;
        let leaves = Arc::clone(&cluster);
        std::thread::Builder::new()
            .name("log-member".to_owned())
            .spawn(move || {
                member.run();
                leaves.leaving().send_modify(|leaving| *leaving -= 1);
                // Without brokers this takes as long as they are away.
                drop(member);
            })
            .map_err(unavailable)?;
        Ok(Self { cluster, offers, interest })
    }
}

#[async_trait]
impl Subscription for KafkaSubscription {
    async fn next(&mut self) -> Result<Box<dyn PartitionReader>, LogError> {
        let mut closed = self.cluster.closed().subscribe();
        let _waits = Waits::begin(&self.interest);
        loop {
            let offer = tokio::select! {
                biased;
                _closed = closed.wait_for(|closed| *closed) => return Err(LogError::Closed),
                offer = self.offers.recv() => offer,
            };
            // The member's thread lives for as long as this, unless it breaks down.
            let broken = || LogError::Broken { message: "its thread ended".to_owned() };
            let reader = offer.ok_or_else(broken)?;
            reader.slot().take();
            // It may have waited here for longer than the partition was ours.
            if !reader.slot().is_over() {
                return Ok(Box::new(reader));
            }
        }
    }
}

impl Drop for KafkaSubscription {
    fn drop(&mut self) {
        self.cluster.leaving().send_modify(|leaving| *leaving += 1);
        self.interest.over.store(true, Ordering::Release);
    }
}

/// While this is there, somebody waits for partitions.
struct Waits<'a>(&'a Interest);

impl<'a> Waits<'a> {
    fn begin(interest: &'a Interest) -> Self {
        interest.waiting.store(true, Ordering::Release);
        Self(interest)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.waiting.store(false, Ordering::Release);
    }
}
