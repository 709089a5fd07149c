use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt as _};
use serde_json::Value;
use suanpan_journey::MINUTE_MS;
use uuid::Uuid;

/// An event as its app knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The number of the app.
    pub app: usize,
    pub id: Uuid,
}

/// What the clients know of an event.
#[derive(Debug, Clone)]
pub struct Sent {
    pub body: Arc<Value>,
    /// Whether the gateway takes it.
    pub is_good: bool,
    pub is_acknowledged: bool,
    pub is_refused: bool,
    /// Whether the log's only record of it was damaged on purpose.
    pub is_lost: bool,
}

/// One request and what its client knows of it.
#[derive(Debug, Clone, Copy)]
pub struct Requested {
    pub app: usize,
    pub from_ms: i64,
    pub to_ms: i64,
    /// Events that were acknowledged, refused, and those that got no answer.
    pub counts: Counts,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub acknowledged: u64,
    pub refused: u64,
    pub unknown: u64,
}

/// All that the clients know: what they sent, and what was answered.
#[derive(Debug, Default)]
pub struct Known {
    pub events: HashMap<Key, Sent>,
    pub requests: Vec<Requested>,
    /// Answers that acknowledge nothing, by status and code.
    pub turned_away: BTreeMap<String, u64>,
    /// Answers that nobody should get.
    pub wrong_answers: Vec<String>,
    /// What was in requests without an answer, to be sent again.
    unsure: Vec<Vec<Key>>,
    acknowledged: Vec<Key>,
}

impl Known {
    /// Notes an event before it is sent for the first time.
    pub fn add(&mut self, key: Key, body: Value, is_good: bool) {
        let sent =
            Sent { body: Arc::new(body), is_good, is_acknowledged: false, is_refused: false, is_lost: false };
        let before = self.events.insert(key, sent);
        assert!(before.is_none(), "an event is made once");
    }

    /// Events of a request without an answer, once for each such request.
    pub fn take_unsure(&mut self, rng: &mut StdRng) -> Option<Vec<Key>> {
        if self.unsure.is_empty() {
            return None;
        }
        let at = rng.random_range(0..self.unsure.len());
        Some(self.unsure.swap_remove(at))
    }

    /// An acknowledged event of the app, or none if the first look finds another app's.
    pub fn any_acknowledged(&self, app: usize, rng: &mut StdRng) -> Option<Key> {
        let key = self.acknowledged.choose(rng).copied()?;
        (key.app == app && !self.events[&key].is_lost).then_some(key)
    }

    /// An id that another app uses.
    pub fn id_of_another(&self, app: usize, rng: &mut StdRng) -> Option<Uuid> {
        let key = self.acknowledged.choose(rng)?;
        let own = Key { app, id: key.id };
        (key.app != app && !self.events.contains_key(&own)).then_some(key.id)
    }

    /// Notes an answer: whether each event was acknowledged.
    pub fn answered(&mut self, keys: &[Key], (from_ms, to_ms): (i64, i64), acknowledged: &[bool]) {
        let Some(first) = keys.first() else { return };
        let mut counts = Counts::default();
        for (key, is_acknowledged) in keys.iter().zip(acknowledged) {
            let sent = self.events.get_mut(key).expect("it was noted before it was sent");
            if !is_acknowledged {
                sent.is_refused = true;
                counts.refused += 1;
                continue;
            }
            counts.acknowledged += 1;
            if !std::mem::replace(&mut sent.is_acknowledged, true) {
                self.acknowledged.push(*key);
            }
        }
        self.requests.push(Requested { app: first.app, from_ms, to_ms, counts });
    }

    /// Notes that no answer came, or one that says nothing of the events.
    pub fn unanswered(&mut self, keys: &[Key], (from_ms, to_ms): (i64, i64)) {
        let Some(first) = keys.first() else { return };
        let counts = Counts { unknown: keys.len() as u64, ..Counts::default() };
        self.requests.push(Requested { app: first.app, from_ms, to_ms, counts });
    }

    /// Keeps events that got no answer, to be sent again.
    pub fn give_back(&mut self, keys: Vec<Key>) {
        self.unsure.push(keys);
    }

    /// The sums of an app.
    pub fn counts(&self, app: usize) -> Counts {
        let own = self.requests.iter().filter(|request| request.app == app);
        own.fold(Counts::default(), |sum, request| sum.plus(request.counts))
    }

    /// The least and the most that can have been received in a minute, given when it was sent and
    /// answered.
    pub fn bounds(&self, app: usize, minute: i64) -> (u64, u64) {
        let (mut least, mut most) = (0, 0);
        for request in self.requests.iter().filter(|request| request.app == app) {
            let (from, to) = (request.from_ms.div_euclid(MINUTE_MS), request.to_ms.div_euclid(MINUTE_MS));
            let answered = request.counts.acknowledged + request.counts.refused;
            if from == minute && to == minute {
                least += answered;
            }
            // A server may still be reading what its client has given up.
            let until = to + i64::from(request.counts.unknown > 0);
            if (from..=until).contains(&minute) {
                most += answered + request.counts.unknown;
            }
        }
        (least, most)
    }
}

impl Counts {
    fn plus(self, other: Self) -> Self {
        Self {
            acknowledged: self.acknowledged + other.acknowledged,
            refused: self.refused + other.refused,
            unknown: self.unknown + other.unknown,
        }
    }
}

/// A random id from this source.
pub fn random_id(rng: &mut impl Rng) -> Uuid {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid()
}
