use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use suanpan_catalog::Catalog;
use suanpan_event::{AppId, Event, Outcome, RejectionCode, SlotMap, report_date};
use suanpan_log::{Entry, LogError, Reader, SegmentLog};
use suanpan_warehouse::{BatchId, EventRow, OffsetSet, Warehouse, WarehouseError, Watermarks};
use tokio::sync::watch;

use crate::batch::{Tally, decode, span};
use crate::beside::{Beside, Gathered};
use crate::dedupe::{IdentityKeys, RecentIds};
use crate::enrich::{enrich, properties};
use crate::fate::{self, Fate};
use crate::retry::{Retry, retrying};
use crate::{PipelineConfig, metrics};

const HOUR_MS: i64 = 3_600_000;
/// How long one wait for events lasts; nothing depends on it.
const IDLE: Duration = Duration::from_secs(10);

/// Why the pipeline ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The log can't be read.
    #[error("the pipeline can't read the log: {0}")]
    Log(#[from] LogError),
    /// The warehouse refuses to make its tables.
    #[error(transparent)]
    Tables(#[from] WarehouseError),
    /// The disk lost acknowledged records that the warehouse has: going on would give their offsets
    /// to other events and skip those. Move the log's folder away; a new one is made.
    #[error(
        "the log ends at {end}, but the warehouse has its events up to {stored}: the disk lost records it had \
         acknowledged. Move the log's folder away and start again; a new log is made"
    )]
    LogBehind {
        /// The log's end.
        end: u64,
        /// One past the highest offset in the warehouse.
        stored: u64,
    },
    /// The pipeline was told to stop while the warehouse was away; the log keeps what is left.
    #[error("stopped while the warehouse was away; the log keeps the events")]
    Stopped,
}

/// How far the pipeline is, for other stations.
#[derive(Debug, Default)]
pub struct Progress {
    committed: AtomicU64,
}

impl Progress {
    /// All events below this offset have their outcome in the ledger.
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }
}

/// Reads the log into the warehouse.
pub struct Pipeline {
    log: SegmentLog,
    catalog: Catalog,
    warehouse: Warehouse,
    watermarks: Watermarks,
    config: PipelineConfig,
    progress: Arc<Progress>,
    keys: IdentityKeys,
    recent: RecentIds,
    stored_before: OffsetSet,
    beside: Beside,
    /// Where to read on, once that was found out.
    from: Option<u64>,
}

impl Pipeline {
    /// A pipeline between these stations. It marks `watermarks` with what it stores.
    pub fn new(
        log: SegmentLog,
        catalog: Catalog,
        (warehouse, watermarks): (Warehouse, Watermarks),
        config: PipelineConfig,
    ) -> Self {
        let recent = RecentIds::new(window_ms(&config), config.dedupe_ids_max, now_ms());
        let beside = Beside::new(warehouse.clone(), &config);
        let (progress, keys, stored_before, from) = Default::default();
        Self {
            log,
            catalog,
            warehouse,
            watermarks,
            config,
            progress,
            keys,
            recent,
            stored_before,
            beside,
            from,
        }
    }

    /// How far it is.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Makes the tables, for a start at which the warehouse was away: events are accepted
    /// meanwhile, and wait in the log.
    ///
    /// # Errors
    /// The warehouse came and refused, or the stop came first.
    pub async fn wait_for_tables(&self, stop: &mut watch::Receiver<bool>) -> Result<(), PipelineError> {
        let mut retry = Retry::new(self.config.retry_pause_ms_max, stop);
        loop {
            match self.warehouse.migrate().await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_retryable() => retry.pause_after(&error).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Finds out where the last life ended, before any event is accepted; without it, [`Self::run`]
    /// does so.
    ///
    /// # Errors
    /// [`PipelineError::LogBehind`], or the stop came first.
    pub async fn prepare(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), PipelineError> {
        self.from = Some(self.reconcile(stop).await?);
        Ok(())
    }

    /// Runs until `stop` turns true and the log is read to its end. While the warehouse is away it
    /// waits, for as long as it takes; when told to stop meanwhile, it leaves the rest to the next
    /// start.
    ///
    /// # Errors
    /// The log can't be read, or the stop came while the warehouse was away.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), PipelineError> {
        let from = match self.from {
            Some(from) => from,
            None => self.reconcile(&mut stop).await?,
        };
        let mut reader = self.log.reader(from);
        loop {
            // Told before the reading: what is left must still be read to the end.
            let stopping = *stop.borrow_and_update();
            let entries = match self.read(&mut reader, &mut stop, stopping).await {
                Ok(entries) => entries,
                Err(LogError::Closed) => return Ok(()),
                Err(error @ LogError::Io { .. }) if !stopping => {
                    // Too many open files, or a bad sector: the gateway must go on accepting.
                    tracing::error!(%error, "the log can't be read just now; nothing is lost, but events wait");
                    tokio::time::sleep(Duration::from_millis(self.config.retry_pause_ms_max)).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            self.beside.trim().await;
            if entries.is_empty() {
                if stopping {
                    return Ok(());
                }
                continue;
            }
            self.pass_on(&entries, &mut stop).await?;
        }
    }

    /// Finds out where the last life ended: the commit, what was stored past it, and the ids of
    /// recent events.
    async fn reconcile(&mut self, stop: &mut watch::Receiver<bool>) -> Result<u64, PipelineError> {
        let (epoch, partition) = (self.log.epoch(), self.log.partition());
        let mut retry = Retry::new(self.config.retry_pause_ms_max, stop);
        // First of all, since a commit that is still being written must be seen, too.
        retrying!(retry, self.warehouse.end_inserts(epoch, partition));
        let committed = retrying!(retry, self.warehouse.committed(epoch, partition));
        self.stored_before = retrying!(retry, self.warehouse.stored_offsets(epoch, partition, committed));
        let beside = self.beside.reconcile((epoch, partition, committed), &mut retry).await?;
        self.check_log(committed.max(beside))?;
        self.rebuild_recent(stop).await?;
        self.commit_to_log(committed);
        self.progress.committed.store(committed, Ordering::Release);
        tracing::info!(
            epoch,
            committed,
            stored_past_commit = self.stored_before.len(),
            recent_ids = self.recent.len(),
            lag = self.log.end_offset().saturating_sub(committed),
            "the pipeline goes on where it ended"
        );
        Ok(committed)
    }

    /// No offset may be in the warehouse that the log has not given yet.
    fn check_log(&self, written: u64) -> Result<(), PipelineError> {
        let stored = self.stored_before.ranges().last().map_or(written, |r| r.end.max(written));
        let end = self.log.end_offset();
        if stored > end { Err(PipelineError::LogBehind { end, stored }) } else { Ok(()) }
    }

    async fn rebuild_recent(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), PipelineError> {
        let config = &self.config;
        let (window_ms, ids_max) = (window_ms(config), config.dedupe_ids_max);
        let since_ms = (now_ms() - window_ms).div_euclid(HOUR_MS) * HOUR_MS;
        let mut retry = Retry::new(config.retry_pause_ms_max, stop);
        loop {
            let mut recent = RecentIds::new(window_ms, ids_max, now_ms());
            let mut keys = IdentityKeys::default();
            let remember = |app: &AppId, id, time_ms| recent.remember(keys.key(app, id), time_ms);
            match self.warehouse.recent_ids(since_ms, ids_max, remember).await {
                Ok(read) => {
                    recent.forget_before(read.complete_since_ms);
                    (self.recent, self.keys) = (recent, keys);
                    return Ok(());
                }
                Err(error) => retry.pause_after(&error).await?,
            }
        }
    }

    /// Waits for a first entry, then gathers more until the batch is full or old enough.
    async fn read(
        &self,
        reader: &mut Reader,
        stop: &mut watch::Receiver<bool>,
        stopping: bool,
    ) -> Result<Vec<Entry>, LogError> {
        let config = &self.config;
        let (events, bytes) = (config.batch_events_max, config.batch_bytes_max);
        if stopping {
            return reader.next_batch(events, bytes, Duration::ZERO).await;
        }
        let mut entries = tokio::select! {
            entries = reader.next_batch(events, bytes, IDLE) => entries?,
            _ = stop.changed() => return Ok(Vec::new()),
        };
        let deadline = Instant::now() + Duration::from_millis(config.batch_age_ms);
        let mut bytes: usize = entries.iter().map(size).sum();
        while !entries.is_empty() {
            let (events_left, bytes_left) = (
                config.batch_events_max.saturating_sub(entries.len()),
                config.batch_bytes_max.saturating_sub(bytes),
            );
            let time_left = deadline.saturating_duration_since(Instant::now());
            if events_left == 0 || bytes_left == 0 || time_left.is_zero() {
                break;
            }
            match reader.next_batch(events_left, bytes_left, time_left).await {
                Ok(more) => {
                    bytes += more.iter().map(size).sum::<usize>();
                    entries.extend(more);
                }
                Err(LogError::Closed) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    /// One batch: dedupe → enrich → write → commit.
    async fn pass_on(
        &mut self,
        entries: &[Entry],
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), PipelineError> {
        let Some((first, last)) = span(entries) else { return Ok(()) };
        let started = Instant::now();
        let batch = BatchId { epoch: self.log.epoch(), partition: self.log.partition(), first, last };
        let mut stop_beside = stop.clone();
        let retry_beside = Retry::new(self.config.retry_pause_ms_max, &mut stop_beside);
        let mut retry = Retry::new(self.config.retry_pause_ms_max, stop);

        let decoded = decode(entries);
        let events = &decoded.events;
        let mut fates = fate::from_memory(events, &self.stored_before, &mut self.keys, &mut self.recent);
        retrying!(retry, fate::from_store(events, &mut fates, &self.warehouse));
        retrying!(retry, self.beside.recall(&decoded));
        let (rows, mut gathered) = self.rows(events, &fates);
        let additions = self.beside.additions(&mut gathered, &decoded);
        tokio::try_join!(
            self.write(batch, &rows, &mut retry),
            self.beside.write(batch, &additions, retry_beside),
        )?;
        let ledger = tally(&decoded, &fates).entries();
        retrying!(retry, self.warehouse.insert_ledger(batch, &ledger));

        self.mark(&rows);
        self.commit_to_log(batch.next_offset());
        self.progress.committed.store(batch.next_offset(), Ordering::Release);
        for entry in &ledger {
            metrics::outcome(entry.outcome, entry.events);
        }
        let oldest = rows.iter().map(|row| row.received_time_ms).min();
        metrics::batch(entries.len(), started.elapsed(), oldest.map(|ms| now_ms() - ms));
        let bounded = self.recent.trim(now_ms());
        metrics::dedupe(self.recent.len(), bounded);
        Ok(())
    }

    /// Inserts rows until all are stored. A try that failed may have stored some of them (a batch of
    /// many days is not one atomic piece, and the answer may have been lost): it is ended, and only
    /// what is missing is sent again.
    async fn write(
        &self,
        batch: BatchId,
        rows: &[EventRow<'_>],
        retry: &mut Retry<'_>,
    ) -> Result<(), PipelineError> {
        let mut missing = Cow::Borrowed(rows);
        while !missing.is_empty() {
            let Err(error) = self.warehouse.insert_events(batch, &missing).await else { break };
            retry.pause_after(&error).await?;
            retrying!(retry, self.warehouse.end_inserts(batch.epoch, batch.partition));
            let stored =
                retrying!(retry, self.warehouse.stored_offsets(batch.epoch, batch.partition, batch.first));
            missing.to_mut().retain(|row| !stored.contains(row.log_offset));
        }
        Ok(())
    }

    /// The rows to write, and what the events add beside them.
    fn rows<'a>(&self, events: &'a [(u64, Event<'_>)], fates: &[Fate]) -> (Vec<EventRow<'a>>, Gathered<'a>) {
        let snapshot = self.catalog.snapshot();
        let none = SlotMap::default();
        let slots = |app: &AppId| snapshot.app(app).map_or(&none, |view| view.slots.as_ref());
        let (mut rows, mut gathered) = (Vec::with_capacity(events.len()), Gathered::default());
        for (event, fate) in events.iter().zip(fates) {
            if *fate == Fate::Duplicate {
                continue;
            }
            let properties = properties(&event.1);
            self.beside.see(&mut gathered, event, &properties);
            if *fate == Fate::Store {
                rows.push(enrich(event, &properties, slots(&event.1.app_id)));
            }
        }
        (rows, gathered)
    }

    /// Tells the answers what changed.
    fn mark(&self, rows: &[EventRow<'_>]) {
        // Neighbours mostly share app and day, so a run of them is told at once.
        let day = |row: &EventRow<'_>| report_date(row.event_time_ms);
        for run in rows.chunk_by(|a, b| a.app_id == b.app_id && day(a) == day(b)) {
            let newest = run.iter().map(|row| row.received_time_ms).max().unwrap_or_default();
            self.watermarks.bump(&run[0].app_id, [day(&run[0])], newest);
        }
    }

    /// Lets the log free what is committed. The ledger holds the truth, so a failure costs disk
    /// space, not events.
    fn commit_to_log(&self, next_offset: u64) {
        let next_offset = next_offset.min(self.log.end_offset());
        if let Err(error) = self.log.commit(next_offset) {
            tracing::warn!(%error, next_offset, "the log could not note the commit; it frees the space later");
        }
    }
}

fn tally(decoded: &crate::batch::Decoded<'_>, fates: &[Fate]) -> Tally {
    let mut tally = Tally::default();
    for ((_, event), fate) in decoded.events.iter().zip(fates) {
        let outcome = match fate {
            Fate::Store | Fate::StoredBefore => Outcome::Stored,
            Fate::Duplicate => Outcome::Duplicate,
            Fate::AskStore => unreachable!("the store was asked: fate::from_store"),
        };
        tally.add(&event.app_id, event.received_time_ms, (outcome, ""), 1);
    }
    for (_, dead) in &decoded.dead {
        let code = RejectionCode::named(&dead.code).map_or("other", RejectionCode::name);
        tally.add(&dead.app_id, dead.received_time_ms, (Outcome::Refused, code), 1);
    }
    let (unknown, now) = (AppId::unknown(), now_ms());
    if !decoded.unreadable.is_empty() {
        tally.add(&unknown, now, (Outcome::Rejected, "unreadable"), decoded.unreadable.len() as u64);
    }
    for range in &decoded.lost {
        tally.add(&unknown, now, (Outcome::Lost, "log_damaged"), range.end - range.start);
    }
    tally
}

fn size(entry: &Entry) -> usize {
    match entry {
        Entry::Record { payload, .. } => payload.len(),
        Entry::Damaged { .. } => 0,
    }
}

fn window_ms(config: &PipelineConfig) -> i64 {
    i64::from(config.dedupe_window_hours) * HOUR_MS
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
