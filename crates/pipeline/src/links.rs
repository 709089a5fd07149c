use std::collections::HashMap;

use suanpan_event::{AppId, Event};
use suanpan_warehouse::NewLink;

/// The links between ids that a batch's events tell of.
#[derive(Debug, Default)]
pub(crate) struct Links<'e> {
    seen: HashMap<(&'e AppId, &'e str, &'e str), (i64, i64)>,
}

impl<'e> Links<'e> {
    /// Adds the link of an event, if it has one between two different ids.
    pub fn see(&mut self, event: &'e Event<'_>) {
        let (from, to) = (event.linked_id.as_ref(), event.actor_id());
        if from.is_empty() || to.is_empty() || from == to {
            return;
        }
        let time_ms = event.event_time_ms;
        let (first, last) = self.seen.entry((&event.app_id, from, to)).or_insert((time_ms, time_ms));
        *first = (*first).min(time_ms);
        *last = (*last).max(time_ms);
    }

    /// The links, each once.
    pub fn into_new(self) -> Vec<NewLink> {
        let link = |((app, from, to), (first_seen_ms, last_seen_ms)): ((&AppId, &str, &str), _)| NewLink {
            app_id: app.clone(),
            from_id: from.to_owned(),
            to_id: to.to_owned(),
            first_seen_ms,
            last_seen_ms,
        };
        self.seen.into_iter().map(link).collect()
    }
}
