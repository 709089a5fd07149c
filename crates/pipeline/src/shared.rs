use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use suanpan_catalog::Catalog;
use suanpan_event::AppId;
use suanpan_warehouse::{Warehouse, Watermarks};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use crate::PipelineConfig;
use crate::dead_letter::DeadLetter;
use crate::learn::Learner;

/// What the workers of a process have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub catalog: Catalog,
    pub warehouse: Warehouse,
    pub watermarks: Watermarks,
    pub config: PipelineConfig,
    pub dead_letter: Mutex<DeadLetter>,
    learner: RwLock<Learner>,
    /// Who may hold a batch in memory.
    turns: Semaphore,
    /// Workers that wait for a turn.
    waiting: Arc<AtomicUsize>,
    /// Partitions that this process works on.
    workers: Arc<AtomicUsize>,
    /// Events that the store refused since it took one last.
    refused_in_a_row: AtomicUsize,
    /// Partitions of which the store refused so much that it was taken to be unwell.
    unwell: StdMutex<HashSet<u32>>,
}

impl Shared {
    pub fn new(
        catalog: Catalog,
        (warehouse, watermarks): (Warehouse, Watermarks),
        config: PipelineConfig,
    ) -> Self {
        let batches_at_once = config.batches_at_once_max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            catalog,
            warehouse,
            watermarks,
            dead_letter: Mutex::new(DeadLetter::new(config.dead_letter.clone())),
            learner: RwLock::new(Learner::new(config.learning.clone(), batches_at_once)),
            turns: Semaphore::new(batches_at_once),
            waiting: Arc::default(),
            workers: Arc::default(),
            refused_in_a_row: AtomicUsize::new(0),
            unwell: StdMutex::default(),
            config,
        }
    }

    /// Waits until one more batch may be held in memory.
    pub async fn turn(&self) -> SemaphorePermit<'_> {
        let _waiting = Counted::new(&self.waiting);
        self.turns.acquire().await.expect("the semaphore is never closed")
    }

    /// How many workers wait for a turn.
    pub fn waiting(&self) -> &Arc<AtomicUsize> {
        &self.waiting
    }

    /// Counts a worker while it lives.
    pub fn count_worker(&self) -> Counted {
        Counted::new(&self.workers)
    }

    /// How many ids each worker may remember now.
    pub fn ids_max(&self) -> usize {
        self.config.dedupe_ids_max / self.workers.load(Ordering::Relaxed).max(1)
    }

    pub fn learner(&self) -> RwLockReadGuard<'_, Learner> {
        // It holds nothing that a panic could leave half done and that matters.
        self.learner.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn learner_mut(&self) -> RwLockWriteGuard<'_, Learner> {
        self.learner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the answers what changed: of each event its app, time and receipt.
    pub fn mark<'e>(&self, events: impl Iterator<Item = (&'e AppId, i64, i64)>) {
        let mut run: Option<(&AppId, jiff::civil::Date, i64)> = None;
        for (app, event_time_ms, received_ms) in events {
            let day = suanpan_event::report_date(event_time_ms);
            // Neighbours mostly share app and day, so a run of them is told at once.
            match &mut run {
                Some((of, on, newest)) if *of == app && *on == day => *newest = received_ms.max(*newest),
                _ => {
                    if let Some((app, day, newest)) = run.replace((app, day, received_ms)) {
                        self.watermarks.bump(app, [day], newest);
                    }
                }
            }
        }
        if let Some((app, day, newest)) = run {
            self.watermarks.bump(app, [day], newest);
        }
    }

    /// Counts events that were refused and stored, in this order; returns how many were refused since one was
    /// stored.
    pub fn refused_in_a_row(&self, refused: usize, stored: usize) -> usize {
        if stored > 0 {
            self.refused_in_a_row.store(0, Ordering::Relaxed);
            return 0;
        }
        self.refused_in_a_row.fetch_add(refused, Ordering::Relaxed) + refused
    }

    /// The partitions that found the store unwell. It outlives a worker that gives way.
    pub fn unwell(&self) -> MutexGuard<'_, HashSet<u32>> {
        self.unwell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One more, while it lives.
#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
