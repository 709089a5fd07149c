use std::collections::{HashMap, VecDeque};

use suanpan_event::AppId;
use uuid::Uuid;

use crate::id_table::{IdTable, SEGMENTS};

const MINUTE_MS: i64 = 60_000;
/// Ids are forgotten by the bin of their event's time. A window has at most so many.
const WINDOW_BINS_MAX: i64 = 8_640;
/// Events more bins than this after the horizon are not remembered.
const BINS_MAX: i64 = 40_000;
/// A slot's stamp is its bin, modulo this, plus one: all bins in the table must lie closer together.
const STAMPS: i64 = 65_535;
/// How far behind the horizon a slot may be before the whole table is swept. Together with [`BINS_MAX`] it is
/// below [`STAMPS`].
const UNSWEPT_BINS_MAX: i64 = 25_000;

/// An event's identity across all apps: its id, blended with its app's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct IdentityKey(u128);

/// Makes identity keys; remembers each app's part, which is random: so nobody can choose ids in one app that
/// would pass for those of another.
#[derive(Debug, Default)]
pub(crate) struct IdentityKeys {
    salts: HashMap<AppId, u128>,
}

impl IdentityKeys {
    pub fn key(&mut self, app_id: &AppId, event_id: Uuid) -> IdentityKey {
        let salt = match self.salts.get(app_id) {
            Some(salt) => *salt,
            None => {
                let salt = Uuid::new_v4().as_u128();
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
    /// Outside of what is remembered: the store must be asked.
    AskStore,
}

/// The ids of all stored events whose time is not before a horizon, in bounded memory: at most 24 bytes each.
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
    bin_ms: i64,
    table: IdTable,
    /// Events of this bin and later ones are remembered. It never goes back.
    horizon: i64,
    /// But not those of this bin and later ones: some lay too far ahead.
    until: i64,
    /// Ids of each bin, from the horizon on.
    bins: VecDeque<u32>,
    /// Their sum.
    live: usize,
    /// No slot holds an older bin.
    unswept: i64,
    /// The segment to sweep next, and the horizon when the first one was.
    sweeping: (usize, i64),
}

impl RecentIds {
    /// An empty memory of events at or after `now_ms - window_ms`.
    pub fn new(window_ms: i64, now_ms: i64) -> Self {
        let minutes = [1, 2, 5, 10, 30, 60, 120];
        let fits = |minutes: &i64| window_ms <= WINDOW_BINS_MAX * minutes * MINUTE_MS;
        let bin_ms = minutes.into_iter().find(fits).unwrap_or(120) * MINUTE_MS;
        let horizon = (now_ms - window_ms).div_euclid(bin_ms);
        Self {
            window_ms,
            bin_ms,
            table: IdTable::new(),
            horizon,
            until: i64::MAX,
            bins: VecDeque::new(),
            live: 0,
            unswept: horizon,
            sweeping: (0, horizon),
        }
    }

    /// Looks up an event, and remembers it if it is recent and new.
    pub fn see(&mut self, key: IdentityKey, event_time_ms: i64) -> Seen {
        if self.table.contains(key.0) {
            return Seen::Before;
        }
        if self.add(key, event_time_ms) { Seen::New } else { Seen::AskStore }
    }

    /// Whether an event with this key is remembered.
    pub fn knows(&self, key: IdentityKey) -> bool {
        self.table.contains(key.0)
    }

    /// Remembers a stored event while the memory is rebuilt.
    pub fn remember(&mut self, key: IdentityKey, event_time_ms: i64) {
        if !self.table.contains(key.0) {
            self.add(key, event_time_ms);
        }
    }

    /// Forgets an event that was not stored after all.
    pub fn forget(&mut self, key: IdentityKey) {
        if let Some(stamp) = self.table.remove(key.0)
            && let Some(bin) = self.stamps().bin(stamp)
            && let Some(ids) = self.bins.get_mut(bin)
        {
            *ids -= 1;
            self.live -= 1;
        }
    }

    /// Says that events before this are not all remembered.
    pub fn forget_before(&mut self, time_ms: i64) {
        let bin = time_ms.div_euclid(self.bin_ms);
        self.raise_horizon(bin + i64::from(time_ms.rem_euclid(self.bin_ms) != 0));
    }

    /// Forgets what is older than the window, and the oldest beyond the bound on ids. To be called now and
    /// then: each call takes back some of the memory of what was forgotten. Returns whether the bound was hit.
    pub fn trim(&mut self, now_ms: i64, ids_max: usize) -> bool {
        self.raise_horizon((now_ms - self.window_ms).div_euclid(self.bin_ms));
        let is_bounded = self.live > ids_max;
        while self.live > ids_max {
            self.raise_horizon(self.horizon + 1);
        }
        self.sweep_one();
        is_bounded
    }

    /// Whether events that lay too far ahead to be remembered are near: then a memory made anew knows them.
    pub fn wants_rebuild(&self) -> bool {
        self.until < self.horizon + BINS_MAX / 2
    }

    /// How many ids are remembered.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Memory that is taken.
    pub fn bytes(&self) -> usize {
        self.table.bytes() + self.bins.capacity() * size_of::<u32>()
    }

    /// Events at or after this are remembered, in milliseconds.
    pub fn horizon_ms(&self) -> i64 {
        self.horizon * self.bin_ms
    }

    /// Whether the event lies where all are remembered; then its id is remembered, too.
    fn add(&mut self, key: IdentityKey, event_time_ms: i64) -> bool {
        let bin = event_time_ms.div_euclid(self.bin_ms);
        if bin >= self.horizon + BINS_MAX {
            self.until = self.until.min(bin);
        }
        if bin < self.horizon || bin >= self.until {
            return false;
        }
        let stamps = self.stamps();
        self.table.insert(key.0, Stamps::of(bin), move |stamp| stamps.bin(stamp).is_some());
        let place = usize::try_from(bin - self.horizon).expect("it is not before the horizon");
        if self.bins.len() <= place {
            self.bins.resize(place + 1, 0);
        }
        self.bins[place] += 1;
        self.live += 1;
        true
    }

    fn stamps(&self) -> Stamps {
        Stamps::new(self.unswept, self.horizon)
    }

    fn raise_horizon(&mut self, to: i64) {
        while self.horizon < to {
            match self.bins.pop_front() {
                Some(ids) => {
                    self.live -= ids as usize;
                    self.horizon += 1;
                }
                None => self.horizon = to,
            }
            if self.horizon - self.unswept > UNSWEPT_BINS_MAX {
                self.sweep_all();
            }
        }
    }

    fn sweep_one(&mut self) {
        let (segment, since) = self.sweeping;
        let stamps = self.stamps();
        self.table.sweep(segment, |stamp| stamps.bin(stamp).is_some());
        self.sweeping.0 += 1;
        if self.sweeping.0 == SEGMENTS {
            // Each segment was swept at that horizon or at a later one.
            self.unswept = since;
            self.sweeping = (0, self.horizon);
        }
    }

    fn sweep_all(&mut self) {
        let stamps = self.stamps();
        for segment in 0..SEGMENTS {
            self.table.sweep(segment, |stamp| stamps.bin(stamp).is_some());
        }
        self.unswept = self.horizon;
        self.sweeping = (0, self.horizon);
    }
}

/// Reads bins out of stamps. It does so for each slot that is passed, so it divides once.
#[derive(Debug, Clone, Copy)]
struct Stamps {
    /// The oldest stamp there may be.
    oldest: i64,
    /// Bins from there to the horizon.
    behind: i64,
}

impl Stamps {
    fn new(unswept: i64, horizon: i64) -> Self {
        Self { oldest: Self::of(unswept).into(), behind: horizon - unswept }
    }

    fn of(bin: i64) -> u16 {
        u16::try_from(bin.rem_euclid(STAMPS) + 1).expect("stamps are counted in 16 bits")
    }

    /// The bin, counted from the horizon; none if it lies before.
    fn bin(self, stamp: u16) -> Option<usize> {
        let after = i64::from(stamp) - self.oldest;
        let after = if after < 0 { after + STAMPS } else { after };
        usize::try_from(after - self.behind).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const HOUR_MS: i64 = 60 * MINUTE_MS;
    const NOW: i64 = 1_000 * HOUR_MS;

    fn key(n: u128) -> IdentityKey {
        IdentityKey(n)
    }

    #[test]
    fn recent_events_are_known_and_older_ones_are_asked_for() {
        let mut recent = RecentIds::new(24 * HOUR_MS, NOW);
        assert_eq!(recent.see(key(1), NOW), Seen::New);
        assert_eq!(recent.see(key(1), NOW), Seen::Before);
        assert_eq!(recent.see(key(2), NOW - 25 * HOUR_MS), Seen::AskStore);
        assert_eq!(recent.see(key(2), NOW - 25 * HOUR_MS), Seen::AskStore);
    }

    #[test]
    fn the_window_moves_on() {
        let mut recent = RecentIds::new(24 * HOUR_MS, NOW);
        recent.see(key(1), NOW);
        assert!(!recent.trim(NOW + 24 * HOUR_MS, 100));
        assert_eq!(recent.see(key(1), NOW), Seen::Before);
        recent.trim(NOW + 26 * HOUR_MS, 100);
        assert_eq!(recent.len(), 0);
        assert_eq!(recent.see(key(3), NOW), Seen::AskStore);
    }

    #[test]
    fn the_bound_makes_the_store_answer_instead() {
        let mut recent = RecentIds::new(24 * HOUR_MS, NOW);
        for n in 0..20_i64 {
            recent.see(key(n.unsigned_abs().into()), NOW - n * HOUR_MS);
        }
        assert!(recent.trim(NOW, 10));
        assert_eq!(recent.len(), 10);
        assert_eq!(recent.horizon_ms(), NOW - 10 * HOUR_MS + MINUTE_MS);
        assert_eq!(recent.see(key(99), NOW - 19 * HOUR_MS), Seen::AskStore);
        assert_eq!(recent.see(key(9), NOW - 9 * HOUR_MS), Seen::Before);
    }

    #[test]
    fn what_was_not_stored_is_forgotten() {
        let mut recent = RecentIds::new(24 * HOUR_MS, NOW);
        recent.see(key(1), NOW);
        recent.forget(key(1));
        recent.forget(key(1));
        assert_eq!((recent.len(), recent.see(key(1), NOW)), (0, Seen::New));
    }

    #[test]
    fn what_lies_too_far_ahead_is_asked_for_until_the_memory_is_made_anew() {
        let mut recent = RecentIds::new(24 * HOUR_MS, NOW);
        let far = NOW + 30 * 24 * HOUR_MS;
        assert_eq!(recent.see(key(1), far), Seen::AskStore);
        recent.trim(NOW + 5 * 24 * HOUR_MS, 100);
        assert!(!recent.wants_rebuild());
        assert_eq!(recent.see(key(1), far), Seen::AskStore);
        recent.trim(NOW + 20 * 24 * HOUR_MS, 100);
        assert!(recent.wants_rebuild());
    }

    #[test]
    fn equal_ids_of_two_apps_are_two_identities() {
        let mut keys = IdentityKeys::default();
        let id = Uuid::from_u128(7);
        let (shop, cafe) = ("shop".parse().unwrap(), "cafe".parse().unwrap());
        assert_ne!(keys.key(&shop, id), keys.key(&cafe, id));
        assert_eq!(keys.key(&shop, id), keys.key(&shop, id));
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// An event of this number, so many minutes from now; its time follows from its number when it is sent again.
        See(u16),
        Forget(u16),
        Pass {
            minutes: i64,
        },
        Trim {
            ids_max: usize,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            30 => (0..600_u16).prop_map(Step::See),
            2 => (0..600_u16).prop_map(Step::Forget),
            2 => prop_oneof![0..90_i64, 0..90_000_i64].prop_map(|minutes| Step::Pass { minutes }),
            3 => (0..300_usize).prop_map(|ids_max| Step::Trim { ids_max }),
        ]
    }

    proptest! {
        /// Against all ids that were ever stored: an id is never called new twice, nor known before it was new.
        #[test]
        fn no_id_is_new_twice(steps in prop::collection::vec(step(), 1..600), window_hours in 1..800_i64) {
            let mut recent = RecentIds::new(window_hours * HOUR_MS, NOW);
            let (mut now, mut stored) = (NOW, HashSet::new());
            let time = |n: u16| NOW + (i64::from(n) - 200) * 7 * MINUTE_MS + i64::from(n / 590) * 60_000 * MINUTE_MS;
            for step in steps {
                match step {
                    Step::See(n) => match recent.see(key(n.into()), time(n)) {
                        Seen::New => prop_assert!(stored.insert(n), "{n} is new twice"),
                        Seen::Before => prop_assert!(stored.contains(&n), "{n} is not known"),
                        // As the store would answer.
                        Seen::AskStore => drop(stored.insert(n)),
                    },
                    Step::Forget(n) => {
                        if stored.remove(&n) {
                            recent.forget(key(n.into()));
                        }
                    }
                    Step::Pass { minutes } => now += minutes * MINUTE_MS,
                    Step::Trim { ids_max } => {
                        recent.trim(now, ids_max);
                        prop_assert!(recent.len() <= ids_max);
                    }
                }
            }
            let live = stored.iter().filter(|n| time(**n) >= recent.horizon_ms());
            prop_assert!(recent.len() <= live.count());
        }
    }

    /// Grows a memory to so many ids over a day, then lets it run on for six hours at its bound. Returns the most
    /// bytes an id that were allocated at any look, from 100,000 ids on.
    fn bytes_an_id(ids: usize) -> f64 {
        let (mut most, mut bytes, mut recent) = (0.0_f64, 0, None);
        for from in (0..ids * 5 / 4).step_by(50_000) {
            let allocated = allocation_counter::measure(|| {
                let recent = recent.get_or_insert_with(|| RecentIds::new(24 * HOUR_MS, NOW));
                for n in from..from + 50_000 {
                    let time_ms = NOW + (n as f64 / ids as f64 * (24 * HOUR_MS) as f64) as i64;
                    recent.see(key(u128::from(n as u64) << 64 | n as u128), time_ms);
                    if n % 1_000 == 0 {
                        recent.trim(time_ms, ids);
                    }
                }
            });
            bytes += allocated.bytes_current;
            let recent = recent.as_ref().expect("it was made");
            if recent.len() >= 100_000 {
                most = most.max(bytes as f64 / recent.len() as f64);
            }
            let off = recent.bytes() as f64 / bytes as f64;
            assert!((0.99..1.01).contains(&off), "{} bytes are told and {bytes} are taken", recent.bytes());
        }
        most
    }

    #[test]
    fn an_id_takes_at_most_24_bytes() {
        let bytes = bytes_an_id(2_000_000);
        assert!(bytes <= 24.0, "{bytes:.2} bytes an id");
    }
}
