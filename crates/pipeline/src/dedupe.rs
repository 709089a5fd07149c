use std::collections::{BTreeMap, HashMap, HashSet};

use suanpan_event::AppId;
use uuid::Uuid;

/// Ids are forgotten by the minute of their event's time.
const MINUTE_MS: i64 = 60_000;

/// An event's identity across all apps: its id, blended with its app's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct IdentityKey(u128);

/// Makes identity keys; remembers each app's part.
#[derive(Debug, Default)]
pub(crate) struct IdentityKeys {
    salts: HashMap<AppId, u128>,
}

impl IdentityKeys {
    pub fn key(&mut self, app_id: &AppId, event_id: Uuid) -> IdentityKey {
        let salt = match self.salts.get(app_id) {
            Some(salt) => *salt,
            None => {
                let salt = Uuid::new_v5(&Uuid::NAMESPACE_URL, app_id.as_str().as_bytes()).as_u128();
                self.salts.insert(app_id.clone(), salt);
                salt
            }
        };
        IdentityKey(event_id.as_u128() ^ salt)
    }
}

/// What is known about an event's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Not seen before; remembered now.
    New,
    /// Seen before.
    Before,
    /// Too old for the memory: the store must be asked.
    AskStore,
}

/// The ids of all stored events whose time is not before a horizon, in bounded memory.
///
/// The trick that keeps duplicates exact without remembering everything: a client that sends an
/// event again sends the same event time. So an event whose time is at or after the horizon can
/// only repeat one that is in this set, and an older event can only repeat one that is in the
/// store, where time and id find it quickly. The window and the number of ids only decide how
/// often the store is asked, not whether a duplicate is found.
///
/// An event without a time of its own gets the time of receipt; it is found for as long as its
/// id is remembered, the window at least, unless the bound on ids cuts it short.
#[derive(Debug)]
pub(crate) struct RecentIds {
    window_ms: i64,
    ids_max: usize,
    horizon_ms: i64,
    ids: HashSet<IdentityKey>,
    by_minute: BTreeMap<i64, Vec<IdentityKey>>,
}

impl RecentIds {
    /// An empty memory of events at or after `now_ms - window_ms`.
    pub fn new(window_ms: i64, ids_max: usize, now_ms: i64) -> Self {
        let horizon_ms = now_ms - window_ms;
        Self { window_ms, ids_max, horizon_ms, ids: HashSet::new(), by_minute: BTreeMap::new() }
    }

    /// Looks up an event, and remembers it if it is recent and new.
    pub fn see(&mut self, key: IdentityKey, event_time_ms: i64) -> Seen {
        if self.ids.contains(&key) {
            return Seen::Before;
        }
        if event_time_ms < self.horizon_ms {
            return Seen::AskStore;
        }
        self.ids.insert(key);
        self.by_minute.entry(event_time_ms.div_euclid(MINUTE_MS)).or_default().push(key);
        Seen::New
    }

    /// Remembers a stored event while the memory is rebuilt.
    pub fn remember(&mut self, key: IdentityKey, event_time_ms: i64) {
        if self.ids.insert(key) {
            self.by_minute.entry(event_time_ms.div_euclid(MINUTE_MS)).or_default().push(key);
        }
    }

    /// Says that events before this are not all remembered.
    pub fn forget_before(&mut self, time_ms: i64) {
        self.horizon_ms = self.horizon_ms.max(time_ms);
    }

    /// Forgets what is older than the window, and the oldest minutes beyond the bound on ids.
    /// Returns whether the bound was hit.
    pub fn trim(&mut self, now_ms: i64) -> bool {
        let window_start = (now_ms - self.window_ms).div_euclid(MINUTE_MS);
        while self.by_minute.first_key_value().is_some_and(|(minute, _)| *minute < window_start) {
            self.drop_oldest_minute();
        }
        let bounded = self.ids.len() > self.ids_max;
        while self.ids.len() > self.ids_max {
            self.drop_oldest_minute();
        }
        bounded
    }

    /// How many ids are remembered.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    fn drop_oldest_minute(&mut self) {
        if let Some((minute, keys)) = self.by_minute.pop_first() {
            for key in keys {
                self.ids.remove(&key);
            }
            self.forget_before((minute + 1) * MINUTE_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 60 * MINUTE_MS;
    const NOW: i64 = 1_000 * HOUR_MS;

    fn key(n: u128) -> IdentityKey {
        IdentityKey(n)
    }

    #[test]
    fn recent_events_are_known_and_older_ones_are_asked_for() {
        let mut recent = RecentIds::new(24 * HOUR_MS, 100, NOW);
        assert_eq!(recent.see(key(1), NOW), Seen::New);
        assert_eq!(recent.see(key(1), NOW), Seen::Before);
        assert_eq!(recent.see(key(2), NOW - 25 * HOUR_MS), Seen::AskStore);
        assert_eq!(recent.see(key(2), NOW - 25 * HOUR_MS), Seen::AskStore);
    }

    #[test]
    fn the_window_moves_on() {
        let mut recent = RecentIds::new(24 * HOUR_MS, 100, NOW);
        recent.see(key(1), NOW);
        assert!(!recent.trim(NOW + 24 * HOUR_MS));
        assert_eq!(recent.see(key(1), NOW), Seen::Before);
        recent.trim(NOW + 26 * HOUR_MS);
        assert_eq!(recent.see(key(1), NOW), Seen::AskStore);
    }

    #[test]
    fn the_bound_makes_the_store_answer_instead() {
        let mut recent = RecentIds::new(24 * HOUR_MS, 10, NOW);
        for n in 0..20_i64 {
            recent.see(key(n.unsigned_abs().into()), NOW - n * HOUR_MS);
        }
        assert!(recent.trim(NOW));
        assert_eq!(recent.len(), 10);
        assert_eq!(recent.see(key(19), NOW - 19 * HOUR_MS), Seen::AskStore);
        assert_eq!(recent.see(key(9), NOW - 9 * HOUR_MS), Seen::Before);
    }

    #[test]
    fn equal_ids_of_two_apps_are_two_identities() {
        let mut keys = IdentityKeys::default();
        let id = Uuid::from_u128(7);
        let (shop, cafe) = ("shop".parse().unwrap(), "cafe".parse().unwrap());
        assert_ne!(keys.key(&shop, id), keys.key(&cafe, id));
        assert_eq!(keys.key(&shop, id), keys.key(&shop, id));
    }
}
