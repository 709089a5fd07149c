use std::sync::Arc;

use suanpan_event::{DeadEvent, Event, properties::Properties};
use suanpan_warehouse::{BatchId, NewLearnt, NewLink};

use crate::batch::Decoded;
use crate::learn::{Learner, Lesson};
use crate::links::Links;
use crate::shared::Shared;
use crate::signals::{Halt, Retry, retrying};

/// What is kept beside the events: the dead letter, links, learnt names.
///
/// All of it is written before the batch's ledger row, in any order with the events, and a crash
/// between any two writes leaves nothing missing or twice: dead events and links are the same rows
/// when they are written again, and what was learnt says itself up to which offset it counts.
#[derive(Debug)]
pub(crate) struct Beside {
    shared: Arc<Shared>,
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
    /// Where the owner before ended: events below this offset are counted in what was learnt.
    pub fn new(shared: Arc<Shared>, learnt_through: u64) -> Self {
        Self { shared, learnt_through }
    }

    /// Reads what the batch needs to be known and is not in memory.
    pub async fn recall(&self, decoded: &Decoded<'_>, retry: &mut Retry) -> Result<(), Halt> {
        let apps = decoded.events.iter().map(|(_, event)| &event.app_id);
        let unknown = self.shared.learner().begin_batch(apps);
        for app in unknown {
            let learnt = retrying!(retry, self.shared.warehouse.learnt(app));
            self.shared.learner_mut().recall(app, &learnt);
        }
        Ok(())
    }

    /// Looks at an event that is stored, now or before a crash.
    pub fn see<'e>(
        &self,
        (learner, gathered): (&Learner, &mut Gathered<'e>),
        (offset, event): &'e (u64, Event<'_>),
        properties: &Properties<'_>,
    ) {
        gathered.links.see(event);
        if *offset >= self.learnt_through {
            let about = (&event.app_id, event.event.as_ref(), event.received_time_ms);
            learner.see(&mut gathered.lesson, about, properties);
        }
    }

    /// What the batch adds.
    pub async fn additions<'l>(
        &self,
        gathered: &'l mut Gathered<'_>,
        decoded: &'l Decoded<'_>,
        retry: &mut Retry,
    ) -> Result<Additions<'l>, Halt> {
        let dead = if decoded.dead.is_empty() {
            Vec::new()
        } else {
            // Locked for one try at a time: other workers need not wait for the same part of the store.
            retrying!(retry, async {
                let mut dead_letter = self.shared.dead_letter.lock().await;
                dead_letter.keep(&decoded.dead, &self.shared.warehouse).await
            })
        };
        let links = std::mem::take(&mut gathered.links).into_new();
        let learnt = self.shared.learner_mut().end(&mut gathered.lesson);
        Ok(Additions { dead, links, learnt })
    }

    /// Writes it, for as long as it takes.
    pub async fn write(
        &self,
        batch: BatchId,
        additions: &Additions<'_>,
        mut retry: Retry,
    ) -> Result<(), Halt> {
        let (Additions { dead, links, learnt }, warehouse) = (additions, &self.shared.warehouse);
        retrying!(retry, warehouse.insert_dead_letter(batch, dead));
        retrying!(retry, warehouse.insert_links(batch, links));
        retrying!(retry, warehouse.insert_learnt(batch, learnt));
        Ok(())
    }
}
