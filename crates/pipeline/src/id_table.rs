//! A set of 128-bit keys, each with a 16-bit stamp, in 18 bytes a slot and few empty slots.
//!
//! Bucketized cuckoo hashing: a key lies in one of two buckets of four slots, so a look-up reads two
//! places in memory however full the table is, and up to fifteen of sixteen slots can be taken. When
//! both buckets are full, a key in them moves to its other bucket, and so on. The table is cut
//! into 1,024 segments that grow by a fifth, each for itself, so that memory is taken as it is needed
//! and never twice.
//!
//! Where a key lies follows from a hash with a random secret: nobody outside can choose ids that meet in one
//! bucket.
//!
//! A slot whose stamp the caller calls expired counts as empty: it is overwritten, or swept when its segment is
//! full. So forgetting needs no search for what is forgotten.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

/// How many pieces [`IdTable::sweep`] takes.
pub(crate) const SEGMENTS: usize = 1 << SEGMENT_BITS;
const SEGMENT_BITS: u32 = 10;
const SLOTS: usize = 4;
/// The stamp of an empty slot.
const EMPTY: u16 = 0;
/// Moves after which a segment grows instead. With 15 of 16 slots taken, a walk this long hardly ever fails.
const MOVES_MAX: u32 = 256;
/// Buckets of a segment that is never made smaller.
const BUCKETS_KEPT: usize = 16;
/// Bits of a bucket's place, and so the most buckets of a segment.
const PLACE_BITS: u32 = (u64::BITS - SEGMENT_BITS) / 2;

type Key = [u64; 2];
/// A key with its hash and its stamp.
type Entry = (u64, Key, u16);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    keys: [Key; SLOTS],
    stamps: [u16; SLOTS],
}

impl Bucket {
    const NEW: Self = Self { keys: [[0; 2]; SLOTS], stamps: [EMPTY; SLOTS] };

    fn find(&self, key: Key) -> Option<usize> {
        (0..SLOTS).find(|slot| self.keys[*slot] == key && self.stamps[*slot] != EMPTY)
    }

    fn put(&mut self, slot: usize, key: Key, stamp: u16) {
        (self.keys[slot], self.stamps[slot]) = (key, stamp);
    }

    fn slot(&self, is_free: impl Fn(u16) -> bool) -> Option<usize> {
        self.stamps.iter().position(|stamp| is_free(*stamp))
    }
}

#[derive(Debug, Default)]
struct Segment {
    buckets: Box<[Bucket]>,
    /// Slots that are not empty, expired ones among them.
    taken: usize,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct IdTable<S = RandomState> {
    segments: Box<[Segment]>,
    hasher: S,
}

impl<S: BuildHasher + Default> IdTable<S> {
    pub fn new() -> Self {
        let segments = std::iter::repeat_with(Segment::default).take(SEGMENTS).collect();
        Self { segments, hasher: S::default() }
    }

    /// Whether the key is there, expired or not.
    pub fn contains(&self, key: u128) -> bool {
        let (key, hash) = self.hashed(key);
        let segment = &self.segments[segment_of(hash)];
        let [first, second] = segment.places(hash);
        !segment.buckets.is_empty()
            && (segment.buckets[first].find(key).is_some() || segment.buckets[second].find(key).is_some())
    }

    /// Adds a key that is not there. The stamp must not be 0.
    pub fn insert(&mut self, key: u128, stamp: u16, is_live: impl Fn(u16) -> bool + Copy) {
        debug_assert_ne!(stamp, EMPTY);
        let (key, hash) = self.hashed(key);
        let Self { segments, hasher } = self;
        let segment = &mut segments[segment_of(hash)];
        if segment.is_full() {
            segment.make_room(hasher, is_live);
        }
        let mut homeless = (hash, key, stamp);
        while let Err(evicted) = segment.place(hasher, homeless, is_live) {
            homeless = evicted;
            let larger = larger(segment.buckets.len());
            segment.rebuild(hasher, larger, is_live);
        }
    }

    /// Removes a key; returns its stamp if it was there.
    pub fn remove(&mut self, key: u128) -> Option<u16> {
        let (key, hash) = self.hashed(key);
        let segment = &mut self.segments[segment_of(hash)];
        if segment.buckets.is_empty() {
            return None;
        }
        for place in segment.places(hash) {
            if let Some(slot) = segment.buckets[place].find(key) {
                segment.taken -= 1;
                return Some(std::mem::replace(&mut segment.buckets[place].stamps[slot], EMPTY));
            }
        }
        None
    }

    /// Empties the expired slots of one segment, and gives memory back if few are left.
    pub fn sweep(&mut self, segment: usize, is_live: impl Fn(u16) -> bool + Copy) {
        let segment = &mut self.segments[segment];
        segment.drop_expired(is_live);
        let buckets = segment.buckets.len();
        if buckets > BUCKETS_KEPT && segment.taken * 2 < buckets * SLOTS {
            // Four fifths of the slots will be taken.
            let fewer = (segment.taken * 5).div_ceil(4 * SLOTS).max(BUCKETS_KEPT / 2);
            segment.rebuild(&self.hasher, fewer, is_live);
        }
    }

    /// Memory that is taken.
    pub fn bytes(&self) -> usize {
        let buckets: usize = self.segments.iter().map(|segment| segment.buckets.len()).sum();
        buckets * size_of::<Bucket>() + SEGMENTS * size_of::<Segment>()
    }

    fn hashed(&self, key: u128) -> (Key, u64) {
        let key = [key as u64, (key >> 64) as u64];
        (key, self.hasher.hash_one(key))
    }
}

impl Segment {
    /// The two buckets of a hash. Without buckets they are no places at all.
    fn places(&self, hash: u64) -> [usize; 2] {
        let mask = (1 << PLACE_BITS) - 1;
        let place = |bits: u64| (((bits & mask) * self.buckets.len() as u64) >> PLACE_BITS) as usize;
        [place(hash), place(hash >> PLACE_BITS)]
    }

    fn is_full(&self) -> bool {
        self.taken >= self.buckets.len() * SLOTS * 15 / 16
    }

    /// Drops what is expired; grows if that was next to nothing.
    fn make_room(&mut self, hasher: &impl BuildHasher, is_live: impl Fn(u16) -> bool + Copy) {
        self.drop_expired(is_live);
        if self.taken * 100 >= self.buckets.len() * SLOTS * 92 {
            self.rebuild(hasher, larger(self.buckets.len()), is_live);
        }
    }

    fn drop_expired(&mut self, is_live: impl Fn(u16) -> bool) {
        for stamp in self.buckets.iter_mut().flat_map(|bucket| &mut bucket.stamps) {
            if *stamp != EMPTY && !is_live(*stamp) {
                *stamp = EMPTY;
                self.taken -= 1;
            }
        }
    }

    /// Moves all that is live into so many buckets, or into more should these not do.
    fn rebuild(
        &mut self,
        hasher: &impl BuildHasher,
        mut buckets: usize,
        is_live: impl Fn(u16) -> bool + Copy,
    ) {
        let old = std::mem::take(&mut self.buckets);
        let live = || {
            let slots = old.iter().flat_map(|bucket| bucket.keys.into_iter().zip(bucket.stamps));
            let live = slots.filter(|(_, stamp)| *stamp != EMPTY && is_live(*stamp));
            live.map(|(key, stamp)| (hasher.hash_one(key), key, stamp))
        };
        loop {
            self.buckets = vec![Bucket::NEW; buckets].into_boxed_slice();
            self.taken = 0;
            if live().all(|entry| self.place(hasher, entry, |_stamp| true).is_ok()) {
                return;
            }
            buckets = larger(buckets);
        }
    }

    fn free(&self, places: [usize; 2], is_free: impl Fn(u16) -> bool) -> Option<(usize, usize)> {
        let slot = |place: usize| self.buckets[place].slot(&is_free).map(|slot| (place, slot));
        slot(places[0]).or_else(|| slot(places[1]))
    }

    /// Puts an entry into one of its buckets; others may have to move. Returns the one that found no
    /// place: then the segment must grow.
    fn place(
        &mut self,
        hasher: &impl BuildHasher,
        (mut hash, mut key, mut stamp): Entry,
        is_live: impl Fn(u16) -> bool + Copy,
    ) -> Result<(), Entry> {
        if self.buckets.is_empty() {
            return Err((hash, key, stamp));
        }
        let mut came_from = None;
        for moves in 0..MOVES_MAX {
            let places = self.places(hash);
            if let Some((place, slot)) = self.free(places, |stamp| stamp == EMPTY) {
                self.taken += 1;
                self.buckets[place].put(slot, key, stamp);
                return Ok(());
            }
            if let Some((place, slot)) = self.free(places, |stamp| !is_live(stamp)) {
                self.buckets[place].put(slot, key, stamp);
                return Ok(());
            }
            // On to the bucket that it was not driven out of. Any of the four may go: by turns, and by hash.
            let place = if came_from == Some(places[0]) { places[1] } else { places[0] };
            let slot = (hash.rotate_left(moves) >> 32) as usize % SLOTS;
            let bucket = &mut self.buckets[place];
            std::mem::swap(&mut key, &mut bucket.keys[slot]);
            std::mem::swap(&mut stamp, &mut bucket.stamps[slot]);
            came_from = Some(place);
            hash = hasher.hash_one(key);
        }
        Err((hash, key, stamp))
    }
}

fn segment_of(hash: u64) -> usize {
    (hash >> (u64::BITS - SEGMENT_BITS)) as usize
}

/// A fifth more.
fn larger(buckets: usize) -> usize {
    buckets + (buckets / 5).max(2)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Puts all keys into two segments, into the lowest buckets.
    #[derive(Debug, Default)]
    struct Crowding(RandomState);

    impl BuildHasher for Crowding {
        type Hasher = foldhash::quality::FoldHasher<'static>;

        fn build_hasher(&self) -> Self::Hasher {
            self.0.build_hasher()
        }

        fn hash_one<T: std::hash::Hash>(&self, x: T) -> u64 {
            self.0.hash_one(x) & 0x0040_0000_0fff_0fff
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8, u16),
        Remove(u8),
        Expire(u16),
        Sweep(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (any::<u8>(), 1_u16..100).prop_map(|(key, stamp)| Step::Insert(key, stamp)),
            2 => any::<u8>().prop_map(Step::Remove),
            1 => (1_u16..100).prop_map(Step::Expire),
            1 => (0..SEGMENTS).prop_map(Step::Sweep),
        ]
    }

    proptest! {
        /// What is live is there; what was never inserted, or was removed, is not.
        #[test]
        fn it_is_a_set(steps in prop::collection::vec(step(), 1..400)) {
            let mut table = IdTable::<RandomState>::new();
            let mut crowded = IdTable::<Crowding>::new();
            let (mut model, mut live_from) = (HashMap::<u8, u16>::new(), 1);
            for step in steps {
                let is_live = |stamp: u16| stamp >= live_from;
                match step {
                    Step::Insert(key, stamp) => {
                        let wide = u128::from(key) << 60 | 5;
                        // Whoever finds an expired key has no use for inserting it.
                        if !table.contains(wide) {
                            table.insert(wide, stamp, is_live);
                            crowded.remove(wide);
                            crowded.insert(wide, stamp, is_live);
                            model.insert(key, stamp);
                        }
                    }
                    Step::Remove(key) => {
                        let wide = u128::from(key) << 60 | 5;
                        let removed = (table.remove(wide), crowded.remove(wide));
                        if let Some(stamp) = model.remove(&key).filter(|stamp| is_live(*stamp)) {
                            prop_assert_eq!(removed.0, Some(stamp));
                        }
                    }
                    Step::Expire(stamp) => live_from = live_from.max(stamp),
                    Step::Sweep(segment) => {
                        table.sweep(segment, is_live);
                        crowded.sweep(segment, is_live);
                    }
                }
                for key in 0..=u8::MAX {
                    let wide = u128::from(key) << 60 | 5;
                    match model.get(&key) {
                        Some(stamp) if *stamp >= live_from => {
                            prop_assert!(table.contains(wide));
                            prop_assert!(crowded.contains(wide));
                        }
                        Some(_) => {}
                        None => prop_assert!(!table.contains(wide)),
                    }
                }
            }
        }
    }
}
