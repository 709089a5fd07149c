use std::collections::{HashMap, HashSet};

use suanpan_event::{AppId, Event, place_key};
use suanpan_warehouse::{OffsetSet, StoredIdProbe, Warehouse, WarehouseError};
use uuid::Uuid;

use crate::dedupe::{IdentityKey, IdentityKeys, RecentIds, Seen};
use crate::metrics;

/// What is to be done with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Write it.
    Store,
    /// It is in the store already, from before a crash: count it as stored.
    StoredBefore,
    /// Reported before: count it.
    Duplicate,
    /// Decided once the store has been asked.
    AskStore,
    /// The store refused its row: it goes into the dead letter.
    Refused,
}

/// The events whose place is one partition of so many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub partition: u32,
    pub partitions: u32,
}

impl Share {
    fn has(self, event: &Event<'_>) -> bool {
        let Self { partition, partitions } = self;
        partitions <= 1
            || place_key(&event.app_id, event.actor_id()) % u64::from(partitions) == u64::from(partition)
    }
}

/// By so much the time of an event may differ when it is sent again, where the gateway corrects its clock: each try
/// takes its own time to arrive.
const SHIFT_MS_MAX: i64 = 10 * 60_000;

/// What a worker remembers of its partition's events.
#[derive(Debug)]
pub(crate) struct Memory {
    /// The events that belong to the partition, by the number of partitions now. A record from before that number
    /// was changed may belong to another: it is looked up in the store.
    pub share: Share,
    pub keys: IdentityKeys,
    pub recent: RecentIds,
    /// Stored past the commit by an owner before.
    pub stored_before: OffsetSet,
}

impl Memory {
    /// Decides about each event of a batch, in order, and remembers those to be stored.
    pub fn decide(&mut self, events: &[(u64, Event<'_>)]) -> Vec<Fate> {
        let mut asked: HashSet<IdentityKey> = HashSet::new();
        let decide = |(offset, event): &(u64, Event<'_>)| {
            if self.stored_before.contains(*offset) {
                return Fate::StoredBefore;
            }
            let key = self.keys.key(&event.app_id, event.event_id);
            // Also of an event that does not belong here: a repetition within one request comes where the first is.
            if asked.contains(&key) || self.recent.knows(key) {
                return Fate::Duplicate;
            }
            if self.share.has(event) {
                match self.recent.see(key, event.event_time_ms) {
                    Seen::New if may_have_lain_before(self.recent.horizon_ms(), event) => {}
                    Seen::New => return Fate::Store,
                    Seen::Before => return Fate::Duplicate,
                    Seen::AskStore => {}
                }
            }
            asked.insert(key);
            Fate::AskStore
        };
        events.iter().map(decide).collect()
    }

    /// Forgets an event that the store refused: it may be replayed.
    pub fn forget(&mut self, event: &Event<'_>) {
        let key = self.keys.key(&event.app_id, event.event_id);
        self.recent.forget(key);
    }
}

/// Whether the event, sent before, may have had a time before the horizon, and so was not remembered. Where little is
/// remembered, at most the older half of it is doubted: else the store would be asked about every event.
fn may_have_lain_before(horizon_ms: i64, event: &Event<'_>) -> bool {
    let doubted_ms = ((event.received_time_ms - horizon_ms) / 2).min(SHIFT_MS_MAX);
    event.client_time_ms.is_some() && event.event_time_ms - horizon_ms < doubted_ms
}

/// Decides about the events that are too old for the memory.
pub(crate) async fn from_store(
    events: &[(u64, Event<'_>)],
    fates: &mut [Fate],
    warehouse: &Warehouse,
) -> Result<(), WarehouseError> {
    let mut by_app: HashMap<&AppId, Vec<usize>> = HashMap::new();
    for (at, fate) in fates.iter().enumerate() {
        if *fate == Fate::AskStore {
            by_app.entry(&events[at].1.app_id).or_default().push(at);
        }
    }
    for (app_id, places) in by_app {
        metrics::store_lookups(places.len());
        let probes: Vec<StoredIdProbe<'_>> = places.iter().map(|at| probe(&events[*at].1)).collect();
        let stored: HashSet<Uuid> = warehouse.stored_ids(app_id, &probes).await?;
        for at in places {
            let known = stored.contains(&events[at].1.event_id);
            fates[at] = if known { Fate::Duplicate } else { Fate::Store };
        }
    }
    Ok(())
}

fn probe<'a>(event: &'a Event<'_>) -> StoredIdProbe<'a> {
    StoredIdProbe {
        event: &event.event,
        event_time_ms: event.event_time_ms,
        client_time_ms: event.client_time_ms,
        event_id: event.event_id,
    }
}
