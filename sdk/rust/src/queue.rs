//! The queue on disk: a segment log, and how much of it waits.
//!
//! ```text
//!      given up or answered for │ taken, being sent │ not read yet
//!  ─────────────────────────────┼───────────────────┼──────────────┤
//!                             floor               taken           end
//! ```
//!
//! The floor only rises and is the log's commit. Dropping the oldest raises it, also above what is being
//! sent; the server's answer to that is then still heard.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use suanpan_log::{Entry, LogConfig, LogError, Reader, RecordBatch, SegmentLog};

use crate::ClientConfig;
use crate::intake::Load;

/// Bytes that the log adds to a record, rounded up.
const RECORD_OVERHEAD_BYTES: u64 = 32;
/// Free space on the disk below which nothing more is kept.
const FREE_BYTES_MIN: u64 = 16 << 20;
/// Bytes of a segment: small ones let the disk go soon, few ones cost few syncs.
const SEGMENT_BYTES_MAX: u64 = 8 << 20;
const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// Records of one append.
const APPEND_RECORDS_MAX: usize = 10_000;

pub(crate) struct Queue {
    log: SegmentLog,
    append_bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Bytes of each event from the floor to the end.
    sizes: VecDeque<u32>,
    floor: u64,
}

/// An event of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Queued {
    pub offset: u64,
    pub json: bytes::Bytes,
}

/// What was found behind the place of reading.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub events: Vec<Queued>,
    /// Events that the disk has lost.
    pub damaged: u64,
}

impl Queue {
    /// Opens the queue, and reads what waits in it to know how much that is.
    pub(crate) async fn open(config: &ClientConfig) -> Result<(Self, Load), LogError> {
        let log_config = log_config(config);
        let append_bytes_max = usize::try_from(log_config.segment_bytes_max / 2).unwrap_or(usize::MAX);
        let log = SegmentLog::open(log_config)?;
        let floor = log.committed();
        let mut state = State { sizes: VecDeque::new(), floor };
        let mut reader = log.reader(floor);
        while reader.position() < log.end_offset() {
            for entry in
                reader.next_batch(APPEND_RECORDS_MAX, append_bytes_max.max(1 << 20), Duration::ZERO).await?
            {
                match entry {
                    Entry::Record { payload, .. } => state.sizes.push_back(size(payload.len())),
                    Entry::Damaged { offsets } => {
                        state.sizes.extend(std::iter::repeat_n(
                            0,
                            usize::try_from(offsets.end - offsets.start).unwrap_or(0),
                        ));
                    }
                }
            }
        }
        let found =
            Load { events: state.sizes.len() as u64, bytes: state.sizes.iter().map(|s| u64::from(*s)).sum() };
        Ok((Self { log, append_bytes_max, state: Mutex::new(state) }, found))
    }

    /// How many of these events one append takes.
    pub(crate) fn fitting<T: AsRef<[u8]>>(&self, events: &[T]) -> usize {
        let mut bytes = 0;
        let fit = events.iter().take(APPEND_RECORDS_MAX).take_while(|event| {
            bytes += event.as_ref().len() + RECORD_OVERHEAD_BYTES as usize;
            bytes <= self.append_bytes_max
        });
        fit.count().max(1).min(events.len())
    }

    /// Writes events at the end; they are on disk afterwards. Returns the new end.
    pub(crate) async fn append<T: AsRef<[u8]>>(&self, events: &[T]) -> Result<u64, LogError> {
        let records: RecordBatch = events.iter().collect();
        let offsets = self.log.append(records).await?;
        self.lock().sizes.extend(events.iter().map(|event| size(event.as_ref().len())));
        Ok(offsets.end)
    }

    /// A reader at the floor.
    pub(crate) fn reader(&self) -> Reader {
        self.log.reader(self.floor())
    }

    /// Takes the next events, to be sent: up to so many, about so many bytes.
    pub(crate) async fn take(
        &self,
        reader: &mut Reader,
        events_max: usize,
        bytes_max: usize,
    ) -> Result<Taken, LogError> {
        if reader.position() < self.floor() {
            *reader = self.reader();
        }
        let entries = reader.next_batch(events_max, bytes_max, Duration::ZERO).await?;
        let floor = self.floor();
        let mut taken = Taken::default();
        for entry in entries {
            // Below the floor they were dropped meanwhile, and counted so.
            match entry {
                Entry::Record { offset, payload } if offset >= floor => {
                    taken.events.push(Queued { offset, json: payload });
                }
                Entry::Record { .. } => {}
                Entry::Damaged { offsets } => {
                    taken.damaged += offsets.end - offsets.start.max(floor).min(offsets.end)
                }
            }
        }
        Ok(taken)
    }

    /// All below this is answered for. Returns what that freed.
    pub(crate) fn raise(&self, floor: u64) -> Load {
        let freed = self.lock().raise(floor);
        self.commit();
        freed
    }

    /// Gives up the oldest events on disk, until this much is freed.
    pub(crate) fn shed(&self, excess: Load) -> Load {
        let shed = self.lock().shed(excess);
        self.commit();
        shed
    }

    /// A commit that fails means that events are sent again after a restart, under the same ids.
    fn commit(&self) {
        if let Err(error) = self.log.commit(self.floor()) {
            tracing::warn!(%error, "could not note how far the queue is sent");
        }
    }

    pub(crate) fn floor(&self) -> u64 {
        self.lock().floor
    }

    pub(crate) fn end(&self) -> u64 {
        self.log.end_offset()
    }

    pub(crate) async fn close(self) {
        self.log.close().await;
    }

    /// No code panics while it holds the lock, so a poisoned lock still guards whole values.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn raise(&mut self, floor: u64) -> Load {
        let count = usize::try_from(floor.saturating_sub(self.floor)).unwrap_or(usize::MAX);
        let count = count.min(self.sizes.len());
        self.floor += count as u64;
        let bytes = self.sizes.drain(..count).map(u64::from).sum();
        Load { events: count as u64, bytes }
    }

    fn shed(&mut self, excess: Load) -> Load {
        let (mut events, mut bytes) = (excess.events, excess.bytes);
        let goes = self.sizes.iter().take_while(|size| {
            let over = events > 0 || bytes > 0;
            events = events.saturating_sub(1);
            bytes = bytes.saturating_sub(u64::from(**size));
            over
        });
        let floor = self.floor + goes.count() as u64;
        self.raise(floor)
    }
}

impl AsRef<[u8]> for Queued {
    fn as_ref(&self) -> &[u8] {
        &self.json
    }
}

/// The log has room for all that the queue may hold, and for what memory still holds.
fn log_config(config: &ClientConfig) -> LogConfig {
    let least = (config.event_bytes_max as u64 + 2 * RECORD_OVERHEAD_BYTES) * 2 + SEGMENT_BYTES_MIN;
    let segment = (config.bytes_max / 16).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX).max(least);
    let held = config.bytes_max.saturating_add(config.memory_bytes_max as u64);
    let overhead = config.events_max.saturating_mul(RECORD_OVERHEAD_BYTES);
    let mut log = LogConfig::new(config.dir.join("queue"));
    log.segment_bytes_max = segment;
    log.record_bytes_max = config.event_bytes_max;
    log.append_queue_bytes_max = usize::try_from(segment).unwrap_or(usize::MAX);
    log.log_bytes_max = held.saturating_add(overhead).saturating_mul(2).saturating_add(4 * segment);
    // A client keeps nothing that is sent, and leaves the machine's owner some room.
    log.committed_bytes_kept_max = 0;
    log.disk_free_bytes_min = FREE_BYTES_MIN;
    log
}

/// Bytes of one event, which `event_bytes_max` bounds far below 4 GiB.
fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
