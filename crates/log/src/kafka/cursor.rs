use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rdkafka::Message as _;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaErrorCode;
use tokio::time::{Instant, sleep, timeout};

use super::cluster::Cluster;
use super::feed::Feed;
use super::quiet::unavailable;
use crate::{Entry, LogError, metrics};

/// How often a feed may jump over the same offsets before they count as lost.
const DOUBTS: u32 = 3;
/// Also for those who would not wait for a record.
const SEEK_PATIENCE: Duration = Duration::from_secs(2);
/// When a feed says nothing for so long, whether it is where it should be; at first earlier.
const SILENCE: Duration = Duration::from_secs(10);
const FIRST_SILENCE: Duration = Duration::from_millis(500);
const SEEK_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// A look at what has arrived even if nobody said so.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Reads a partition's feed such that every offset is in exactly one entry.
pub(super) struct Cursor<C: ConsumerContext> {
    pub cluster: Arc<Cluster>,
    pub feed: Arc<Feed<C>>,
    pub partition: u32,
    pub epoch: u64,
    /// The offset that is read next.
    pub position: u64,
    /// Below it nothing is missed.
    pub committed: u64,
    /// When the oldest of the entries last read was appended, in Unix milliseconds.
    pub appended_ms: Option<i64>,
    /// Whether the feed must be told first where to go on.
    pub astray: bool,
    /// How often the feed has jumped from this position.
    doubts: u32,
    /// When the feed was last known to be at the position, and how long it may then say nothing.
    heard: Instant,
    silence: Duration,
    /// Where the partition ended when the log was closed.
    last: Option<u64>,
}

/// What was found at the position.
enum Found {
    Entries(Vec<Entry>),
    /// Nothing has arrived.
    Nothing,
    /// The feed goes on elsewhere: at `next`, if that is a later offset.
    NotHere {
        next: Option<u64>,
    },
    /// The brokers, or the library, can't go on.
    Failed(LogError),
    /// The partition was given up.
    GivenUp,
}

impl<C: ConsumerContext + 'static> Cursor<C> {
    pub fn new(cluster: Arc<Cluster>, feed: Arc<Feed<C>>, (partition, epoch): (u32, u64), from: u64) -> Self {
        Self {
            cluster,
            feed,
            partition,
            epoch,
            position: from,
            committed: 0,
            appended_ms: None,
            astray: true,
            doubts: 0,
            heard: Instant::now(),
            silence: FIRST_SILENCE,
            last: None,
        }
    }

    pub fn seek(&mut self, offset: u64) {
        if offset != self.position {
            self.position = offset;
            self.doubts = 0;
            self.astray = true;
        }
    }

    /// See [`crate::LogReader::next_batch`]. Nothing is awaited between taking entries from the feed and returning
    /// them, so a call that is dropped has read nothing.
    pub async fn next_batch(
        &mut self,
        records_max: usize,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Vec<Entry>, LogError> {
        let deadline = Instant::now() + wait;
        loop {
            self.end_if_closed().await?;
            if self.astray {
                self.go_to_position(deadline).await?;
            }
            match self.take(records_max.max(1), bytes_max.max(1)) {
                Found::Entries(entries) => return Ok(entries),
                Found::NotHere { next } => {
                    self.astray = true;
                    if let Some(damaged) = self.look_into(next).await? {
                        return Ok(vec![damaged]);
                    }
                }
                Found::Failed(error) => {
                    self.astray = true;
                    return Err(error);
                }
                Found::GivenUp => return Err(LogError::Revoked { partition: self.partition }),
                Found::Nothing => {
                    if let Some(damaged) = self.look_into_silence().await? {
                        return Ok(vec![damaged]);
                    }
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(Vec::new());
                    }
                    let _arrived = timeout(left.min(LOOK_EVERY), self.feed.arrived()).await;
                }
            }
        }
    }

    /// Once the log is closed, what was in the partition at that time is read, and no more.
    async fn end_if_closed(&mut self) -> Result<(), LogError> {
        if !*self.cluster.closed().borrow() {
            return Ok(());
        }
        let last = match self.last {
            Some(last) => last,
            // What can't be read any more waits for the next start.
            None => self.cluster.bounds(self.partition).await.map_or(0, |bounds| bounds.end),
        };
        self.last = Some(last);
        if self.position >= last { Err(LogError::Closed) } else { Ok(()) }
    }

    /// A partition that was just given takes a moment until it can be told where to go on.
    async fn go_to_position(&mut self, deadline: Instant) -> Result<(), LogError> {
        let deadline = deadline.max(Instant::now() + SEEK_PATIENCE);
        loop {
            let (feed, position) = (Arc::clone(&self.feed), self.position);
            let sought = tokio::task::spawn_blocking(move || feed.seek(position)).await;
            match sought {
                Ok(Ok(())) => {
                    self.astray = false;
                    (self.heard, self.silence) = (Instant::now(), FIRST_SILENCE);
                    return Ok(());
                }
                Ok(Err(error)) if Instant::now() + SEEK_AGAIN_AFTER >= deadline => return Err(error),
                Ok(Err(_not_yet)) => sleep(SEEK_AGAIN_AFTER).await,
                // Only a runtime that shuts down cancels the task.
                Err(_ended) => return Err(LogError::Closed),
            }
        }
    }

    fn take(&mut self, records_max: usize, bytes_max: usize) -> Found {
        let mut gathered = Gathered::default();
        let mut position = self.position;
        let mut trouble = None;
        let there = self.feed.drain(|arrived| match look_at(arrived, position) {
            Arrived::Record(record) => {
                gathered.push(&record);
                position += 1;
                gathered.ends.len() < records_max && gathered.bytes.len() < bytes_max
            }
            Arrived::Spoilt => true,
            Arrived::Trouble(found) => {
                trouble = Some(found);
                false
            }
        });
        if gathered.ends.is_empty() {
            return match trouble {
                Some(found) => found,
                None if there => Found::Nothing,
                None => Found::GivenUp,
            };
        }
        // The next call meets the trouble again, and first.
        self.astray |= trouble.is_some();
        self.doubts = 0;
        self.heard = Instant::now();
        self.silence = SILENCE;
        self.appended_ms = gathered.appended_ms;
        let from = self.position;
        self.position = position;
        Found::Entries(gathered.into_entries(from))
    }

    /// Finds out why the feed does not go on at the position: whether records are lost, or only this time.
    async fn look_into(&mut self, next: Option<u64>) -> Result<Option<Entry>, LogError> {
        let bounds = self.cluster.bounds(self.partition).await?;
        if self.position > bounds.end {
            return Err(unavailable(format!(
                "partition {} ends at {}, before {}, which was read or committed: it lost records, or was made anew",
                self.partition, bounds.end, self.position
            )));
        }
        if self.position < bounds.first {
            let lost = self.position.max(self.committed).min(bounds.first)..bounds.first;
            return Ok(self.lose(lost));
        }
        self.doubts += 1;
        match next {
            Some(next) if self.doubts >= DOUBTS => Ok(self.lose(self.position..next)),
            _ => Ok(None),
        }
    }

    /// Nothing comes if there is nothing, or if what should come is gone.
    async fn look_into_silence(&mut self) -> Result<Option<Entry>, LogError> {
        if self.heard.elapsed() < self.silence {
            return Ok(None);
        }
        let bounds = self.cluster.bounds(self.partition).await;
        (self.heard, self.silence) = (Instant::now(), SILENCE);
        match bounds {
            Ok(bounds) if (bounds.first..=bounds.end).contains(&self.position) => Ok(None),
            Ok(_) => {
                self.astray = true;
                self.look_into(None).await
            }
            // The brokers are away, and records may come when they are back.
            Err(_away) => Ok(None),
        }
    }

    fn lose(&mut self, offsets: std::ops::Range<u64>) -> Option<Entry> {
        self.doubts = 0;
        self.position = offsets.end;
        if offsets.is_empty() {
            return None;
        }
        metrics::damaged(offsets.end - offsets.start);
        tracing::error!(
            partition = self.partition,
            ?offsets,
            "records of the log are lost: the brokers have them no more"
        );
        Some(Entry::Damaged { offsets })
    }
}

/// What one event of a feed is, for a reader at a position.
enum Arrived<'a> {
    Record(BorrowedMessage<'a>),
    /// A batch that fails its checksum. The feed goes on behind it, which is then seen as a gap.
    Spoilt,
    Trouble(Found),
}

fn look_at(arrived: KafkaResult<BorrowedMessage<'_>>, position: u64) -> Arrived<'_> {
    use RDKafkaErrorCode::BadMessage;
    match arrived {
        Ok(message) => match u64::try_from(message.offset()) {
            Ok(offset) if offset == position => Arrived::Record(message),
            Ok(offset) if offset > position => Arrived::Trouble(Found::NotHere { next: Some(offset) }),
            _ => Arrived::Trouble(Found::NotHere { next: None }),
        },
        Err(KafkaError::MessageConsumption(BadMessage)) => Arrived::Spoilt,
        Err(error) => Arrived::Trouble(Found::Failed(unavailable(error))),
    }
}

/// Records' payloads in one piece of memory.
#[derive(Default)]
struct Gathered {
    bytes: BytesMut,
    ends: Vec<usize>,
    appended_ms: Option<i64>,
}

impl Gathered {
    fn push(&mut self, record: &BorrowedMessage<'_>) {
        if self.ends.is_empty() {
            self.appended_ms = record.timestamp().to_millis();
        }
        self.bytes.extend_from_slice(record.payload().unwrap_or_default());
        self.ends.push(self.bytes.len());
    }

    fn into_entries(self, from: u64) -> Vec<Entry> {
        let all = self.bytes.freeze();
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let places = starts.zip(&self.ends);
        (from..)
            .zip(places)
            .map(|(offset, (start, end))| Entry::Record { offset, payload: all.slice(start..*end) })
            .collect()
    }
}
