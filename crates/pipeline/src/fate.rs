use std::collections::{HashMap, HashSet};

use suanpan_event::{AppId, Event};
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
}

/// Decides about each event of a batch, in order, from what is in memory.
pub(crate) fn from_memory(
    events: &[(u64, Event<'_>)],
    stored_before: &OffsetSet,
    keys: &mut IdentityKeys,
    recent: &mut RecentIds,
) -> Vec<Fate> {
    let mut asked: HashSet<IdentityKey> = HashSet::new();
    let decide = |(offset, event): &(u64, Event<'_>)| {
        if stored_before.contains(*offset) {
            return Fate::StoredBefore;
        }
        let key = keys.key(&event.app_id, event.event_id);
        match recent.see(key, event.event_time_ms) {
            Seen::New => Fate::Store,
            Seen::Before => Fate::Duplicate,
            Seen::AskStore if asked.insert(key) => Fate::AskStore,
            Seen::AskStore => Fate::Duplicate,
        }
    };
    events.iter().map(decide).collect()
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
