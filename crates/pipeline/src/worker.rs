use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use suanpan_event::{AppId, Event, SlotMap};
use suanpan_log::{Entry, LogError, PartitionReader};
use suanpan_warehouse::{BatchId, EventRow};

use crate::batch::{Decoded, decode, ledger, span};
use crate::beside::{Additions, Beside, Gathered};
use crate::enrich::{enrich, properties};
use crate::fate::{self, Fate, Share};
use crate::reading::Reading;
use crate::shared::{Counted, Shared};
use crate::signals::{Halt, Retry, Signals, retrying};
use crate::start::{self, Start};
use crate::store::{Refused, store_after};
use crate::store_refused::dead_event;
use crate::{metrics, now_ms};

/// How long a batch in flight may go on when its partition is taken away.
const REVOKED_GRACE: Duration = Duration::from_secs(5);

/// Works on one partition for as long as this process owns it.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    reader: Box<dyn PartitionReader>,
    signals: Signals,
    start: Start,
    reading: Reading,
    _counted: Counted,
}

/// Works on a partition until it is taken away, or until `signals` say stop and it is read to where it ended then.
/// The reader is dropped when nothing more is done.
pub(crate) async fn work(
    shared: Arc<Shared>,
    reader: Box<dyn PartitionReader>,
    partitions: u32,
    signals: Signals,
) -> Result<(), Halt> {
    let signals = signals.with_revoked(reader.revoked());
    let mut revoked = signals.clone();
    let too_late = async move {
        revoked.revoking().await;
        tokio::time::sleep(REVOKED_GRACE).await;
    };
    // To be dropped in the midst of a batch is to crash: the next owner finds out what was stored.
    tokio::select! {
        ended = begin_and_run(shared, reader, partitions, signals) => ended,
        () = too_late => Err(Halt::Revoked),
    }
}

async fn begin_and_run(
    shared: Arc<Shared>,
    mut reader: Box<dyn PartitionReader>,
    partitions: u32,
    signals: Signals,
) -> Result<(), Halt> {
    let counted = shared.count_worker();
    let share = Share { partition: reader.partition(), partitions };
    let retry = Retry::new(shared.config.retry_pause_ms_max, &signals);
    let start = start::begin(&shared, reader.as_mut(), share, retry).await?;
    let reading = Reading::new(start.committed, &shared.config);
    let mut worker = Worker { shared, reader, signals, start, reading, _counted: counted };
    let ended = worker.run().await;
    metrics::dedupe_gone(share.partition);
    ended
}

impl Worker {
    async fn run(&mut self) -> Result<(), Halt> {
        self.commit_to_log(self.start.committed).await?;
        self.pass_decided().await?;
        let shared = Arc::clone(&self.shared);
        // Where the log ended when the stop came: others may go on appending.
        let mut until = None;
        loop {
            if self.signals.is_revoked() {
                return Err(Halt::Revoked);
            }
            if self.signals.is_stopping() {
                let end = match until {
                    Some(end) => end,
                    None => *until.insert(self.reader.position().await?.end_offset),
                };
                if self.reading.begins_at() >= end {
                    return Ok(());
                }
            }
            match self.reading.wait(self.reader.as_mut(), (&mut self.signals, &shared.config)).await {
                Ok(true) => {
                    let _turn = shared.turn().await;
                    let entries = self.reading.batch(self.reader.as_mut(), &shared.config).await?;
                    self.pass_on(&entries).await?;
                }
                // The log had said that there is more; it gives none.
                Ok(false) if until.is_some() => return Ok(()),
                Ok(false) => {}
                Err(Halt::Log(LogError::Closed)) => return Ok(()),
                Err(halt) => return Err(halt),
            }
            self.look_after_bounds().await?;
        }
    }

    /// The batch that the owner before had decided, if it is not committed: the same again, so that its inserts
    /// have the same tokens.
    async fn pass_decided(&mut self) -> Result<(), Halt> {
        let (committed, end) = (self.start.committed, self.reader.position().await?.end_offset);
        self.reader.seek(committed);
        let again =
            |batch: &Range<u64>| batch.start == committed && batch.start < batch.end && batch.end <= end;
        let Some(batch) = self.reader.decided().filter(again) else { return Ok(()) };
        let shared = Arc::clone(&self.shared);
        let _turn = shared.turn().await;
        let retry = self.retry_in_turn();
        let entries = self.reading.exactly(self.reader.as_mut(), batch, (&self.signals, retry)).await?;
        self.pass_on(&entries).await
    }

    /// One batch: decide → dedupe → enrich → write → commit.
    async fn pass_on(&mut self, entries: &[Entry]) -> Result<(), Halt> {
        let Some((first, last)) = span(entries) else { return Ok(()) };
        let started = Instant::now();
        let batch = self.start.claim.batch(first, last);
        let mut retry = self.retry_in_turn();
        self.decide(first..batch.next_offset()).await?;

        let decoded = busy(|| decode(entries));
        let mut fates = busy(|| self.start.memory.decide(&decoded.events));
        retrying!(retry, fate::from_store(&decoded.events, &mut fates, &self.shared.warehouse));
        self.start.beside.recall(&decoded, &mut retry).await?;
        let (rows, mut gathered) = busy(|| self.rows(&decoded.events, &fates));
        let additions = self.start.beside.additions(&mut gathered, &decoded, &mut retry).await?;
        let stations = (self.shared.as_ref(), &self.start.beside);
        let refused = write(stations, (batch, &rows, &additions), &mut retry).await?;
        self.bury(batch, &decoded, (&refused, &mut fates), &mut retry).await?;
        // Also what an owner before stored and did not come to tell of.
        self.shared.mark(stored(&decoded.events, &fates));
        let ledger = ledger(&decoded, &fates, now_ms());
        retrying!(retry, self.shared.warehouse.insert_ledger(batch, &ledger));

        self.commit_to_log(batch.next_offset()).await?;
        for entry in &ledger {
            metrics::outcome(entry.outcome, entry.events);
        }
        let oldest = rows.iter().map(|row| row.received_time_ms).min();
        metrics::batch(entries.len(), started.elapsed(), oldest.map(|ms| now_ms() - ms));
        Ok(())
    }

    /// Has the log keep where the batch ends. Should its disk be full, going on is what frees it: then only the
    /// stored offsets tell a next owner what is done, which is enough.
    async fn decide(&mut self, batch: Range<u64>) -> Result<(), Halt> {
        let mut retry = self.retry_in_turn();
        loop {
            match self.reader.decide(batch.clone()).await {
                Ok(()) => return Ok(()),
                Err(error @ LogError::Unavailable { .. }) => retry.pause_after_log(error).await?,
                Err(error @ LogError::Revoked { .. }) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(%error, "the log could not keep where a batch ends");
                    return Ok(());
                }
            }
        }
    }

    /// The rows to write, and what the events add beside them.
    fn rows<'a>(&self, events: &'a [(u64, Event<'_>)], fates: &[Fate]) -> (Vec<EventRow<'a>>, Gathered<'a>) {
        let snapshot = self.shared.catalog.snapshot();
        let learner = self.shared.learner();
        let none = SlotMap::default();
        let slots = |app: &AppId| snapshot.app(app).map_or(&none, |view| view.slots.as_ref());
        let (mut rows, mut gathered) = (Vec::with_capacity(events.len()), Gathered::default());
        for (event, fate) in events.iter().zip(fates) {
            if *fate == Fate::Duplicate {
                continue;
            }
            let properties = properties(&event.1);
            self.start.beside.see((&learner, &mut gathered), event, &properties);
            if *fate == Fate::Store {
                rows.push(enrich(event, &properties, slots(&event.1.app_id)));
            }
        }
        (rows, gathered)
    }

    /// Puts the events that the store refused into the dead letter, each by an INSERT of its own: after a crash
    /// others may be refused, and no two sets of events may have one token.
    async fn bury(
        &mut self,
        batch: BatchId,
        decoded: &Decoded<'_>,
        (refused, fates): (&[Refused], &mut [Fate]),
        retry: &mut Retry,
    ) -> Result<(), Halt> {
        for Refused { offset, code, message } in refused {
            let at = decoded.events.binary_search_by_key(offset, |(offset, _)| *offset);
            let at = at.expect("only rows of this batch's events were sent");
            let event = &decoded.events[at].1;
            tracing::error!(
                offset,
                app = event.app_id.as_str(),
                code,
                "ClickHouse refuses an event: the dead letter has its words"
            );
            let dead = dead_event(event, message);
            retrying!(retry, self.shared.warehouse.insert_dead_letter(batch, &[(*offset, &dead)]));
            self.start.memory.forget(event);
            fates[at] = Fate::Refused;
        }
        Ok(())
    }

    /// Tries of a batch, which hold a turn.
    fn retry_in_turn(&self) -> Retry {
        let retry = Retry::new(self.shared.config.retry_pause_ms_max, &self.signals);
        retry.with_turn(self.shared.waiting())
    }

    /// Lets the log free what is committed. The ledger holds the truth, so a failure costs disk
    /// space, not events.
    async fn commit_to_log(&mut self, next_offset: u64) -> Result<(), Halt> {
        match self.reader.commit(next_offset).await {
            Ok(()) => Ok(()),
            Err(error @ LogError::Revoked { .. }) => Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, next_offset, "the log could not note a commit; it frees the space later");
                Ok(())
            }
        }
    }

    /// Bounds the memory of ids, and what is kept in the dead letter.
    async fn look_after_bounds(&mut self) -> Result<(), Halt> {
        let memory = &mut self.start.memory;
        if memory.recent.wants_rebuild() {
            let mut retry = Retry::new(self.shared.config.retry_pause_ms_max, &self.signals);
            let rebuilt = start::recent_ids(&self.shared, memory.share, &mut retry).await?;
            (memory.recent, memory.keys) = rebuilt;
        }
        let bounded = memory.recent.trim(now_ms(), self.shared.ids_max());
        metrics::dedupe(memory.share.partition, &memory.recent, bounded);
        // Whoever comes while another worker looks need not look, too.
        if let Ok(mut dead_letter) = self.shared.dead_letter.try_lock() {
            dead_letter.trim(&self.shared.warehouse).await;
        }
        Ok(())
    }
}

/// Writes the rows, and at the same time what is beside them; returns the rows that the store refused.
async fn write(
    (shared, beside): (&Shared, &Beside),
    (batch, rows, additions): (BatchId, &[EventRow<'_>], &Additions<'_>),
    retry: &mut Retry,
) -> Result<Vec<Refused>, Halt> {
    let beside = beside.write(batch, additions, retry.clone());
    let (stored, beside) = tokio::join!(shared.warehouse.insert_events(batch, rows), beside);
    beside?;
    match stored {
        Ok(()) => {
            shared.refused_in_a_row(0, rows.len());
            Ok(Vec::new())
        }
        Err(error) => store_after(error, (shared, batch, rows), retry).await,
    }
}

/// The events that are in the store: of each its app, time and receipt.
fn stored<'e>(
    events: &'e [(u64, Event<'_>)],
    fates: &'e [Fate],
) -> impl Iterator<Item = (&'e AppId, i64, i64)> {
    let is_stored = |fate: &Fate| matches!(fate, Fate::Store | Fate::StoredBefore);
    let stored = events.iter().zip(fates).filter(move |(_, fate)| is_stored(fate));
    stored.map(|((_, event), _)| (&event.app_id, event.event_time_ms, event.received_time_ms))
}

/// Work that takes a processor for some milliseconds: the runtime's other tasks go on elsewhere meanwhile.
fn busy<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}
