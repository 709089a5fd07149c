use suanpan_event::{DeadEvent, Event, properties::Properties};
use suanpan_warehouse::{BatchId, NewLearnt, NewLink, Warehouse, WarehouseError};

use crate::batch::Decoded;
use crate::dead_letter::DeadLetter;
use crate::learn::{Learner, Lesson};
use crate::links::Links;
use crate::retry::{Retry, retrying};
use crate::{PipelineConfig, PipelineError};

/// What is kept beside the events: the dead letter, links, learnt names.
///
/// All of it is written before the batch's ledger row, in any order with the events, and a crash
/// between any two writes leaves nothing missing or twice: dead events and links are the same rows
/// when they are written again, and what was learnt says itself up to which offset it counts.
#[derive(Debug)]
pub(crate) struct Beside {
    warehouse: Warehouse,
    dead_letter: DeadLetter,
    learner: Learner,
    /// Events below this offset are counted in what was learnt.
    learnt_through: u64,
}

/// What one batch adds, while its events are looked at.
#[derive(Debug, Default)]
pub(crate) struct Gathered<'e> {
    lesson: Lesson<'e>,
    links: Links<'e>,
}

/// What one batch adds, ready to be written.
#[derive(Debug)]
pub(crate) struct Additions<'l> {
    dead: Vec<(u64, &'l DeadEvent<'l>)>,
    links: Vec<NewLink>,
    learnt: Vec<NewLearnt<'l>>,
}

impl Beside {
    pub fn new(warehouse: Warehouse, config: &PipelineConfig) -> Self {
        let dead_letter = DeadLetter::new(config.dead_letter.clone());
        Self { warehouse, dead_letter, learner: Learner::new(config.learning.clone()), learnt_through: 0 }
    }

    /// Finds out where the last life ended; returns one past the highest offset that was written.
    pub async fn reconcile(
        &mut self,
        (epoch, partition, committed): (u64, u32, u64),
        retry: &mut Retry<'_>,
    ) -> Result<u64, PipelineError> {
        self.learnt_through = retrying!(retry, self.warehouse.learnt_through(epoch, partition));
        let dead_end = retrying!(retry, self.warehouse.dead_letter_end(epoch, partition, committed));
        Ok(self.learnt_through.max(dead_end))
    }

    /// Reads what the batch needs to be known and is not in memory.
    pub async fn recall(&mut self, decoded: &Decoded<'_>) -> Result<(), WarehouseError> {
        self.dead_letter.recall(&decoded.dead, &self.warehouse).await?;
        self.learner.recall(decoded.events.iter().map(|(_, event)| &event.app_id), &self.warehouse).await
    }

    /// Looks at an event that is stored, now or before a crash.
    pub fn see<'e>(
        &self,
        gathered: &mut Gathered<'e>,
        (offset, event): &'e (u64, Event<'_>),
        properties: &Properties<'_>,
    ) {
        gathered.links.see(event);
        if *offset >= self.learnt_through {
            let about = (&event.app_id, event.event.as_ref(), event.received_time_ms);
            self.learner.see(&mut gathered.lesson, about, properties);
        }
    }

    /// What the batch adds.
    pub fn additions<'l>(
        &mut self,
        gathered: &'l mut Gathered<'_>,
        decoded: &'l Decoded<'_>,
    ) -> Additions<'l> {
        Additions {
            dead: self.dead_letter.keep(&decoded.dead),
            links: std::mem::take(&mut gathered.links).into_new(),
            learnt: self.learner.end(&mut gathered.lesson),
        }
    }

    /// Writes it, for as long as it takes.
    pub async fn write(
        &self,
        batch: BatchId,
        additions: &Additions<'_>,
        mut retry: Retry<'_>,
    ) -> Result<(), PipelineError> {
        let Additions { dead, links, learnt } = additions;
        retrying!(retry, self.warehouse.insert_dead_letter(batch, dead));
        retrying!(retry, self.warehouse.insert_links(batch, links));
        retrying!(retry, self.warehouse.insert_learnt(batch, learnt));
        Ok(())
    }

    /// Looks after the bounds from time to time.
    pub async fn trim(&mut self) {
        self.dead_letter.trim(&self.warehouse).await;
    }
}
