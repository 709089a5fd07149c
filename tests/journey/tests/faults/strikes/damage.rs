use std::collections::{BTreeSet, HashMap};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use async_trait::async_trait;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use uuid::Uuid;

use crate::fault::Fault;
use crate::known::Key;
use crate::scene::Scene;
use crate::segments::{Record, Segment, segments};

/// Acknowledged events that only the log has when it is damaged.
const EVENTS: usize = 900;
/// Files of a partition that say where it stands, each by two sums that must be right.
const NOTES: [&str; 3] = ["committed", "decided", "log.meta"];

/// The log's files are damaged while the server is down.
pub enum Damage {
    /// Half of a record stands behind the last one, as a crash leaves it: nothing is lost.
    TornTail,
    /// Bits flip in some records that are not stored yet: exactly those are lost.
    FlippedBits,
    /// Bits flip in records that are stored, in the header of a segment, or in the note of the commit: nothing is lost.
    FlippedBitsInStored,
    /// A file is gone: exactly those of its records are lost that are not stored yet.
    MissingSegment,
}

#[async_trait(?Send)]
impl Fault for Damage {
    async fn strike(&self, scene: &mut Scene) {
        // From here on all that was reported before is stored, and all that comes is not.
        let _paused = scene.load.pause().await;
        scene.server.settle().await;
        scene.server.set_warehouse_away(true);
        let reported = scene.load.report_new(EVENTS, &mut scene.rng).await;
        scene.server.kill_tree();
        scene.toll.killed("whole tree");
        let waiting: HashMap<Uuid, Key> = reported.into_iter().map(|key| (key.id, key)).collect();
        let log = scene.server.place("log");
        let all = segments(&log);
        let lost = match self {
            Self::TornTail => torn_tail(&all, &mut scene.rng),
            Self::FlippedBits => flipped_bits(&all, &waiting, &mut scene.rng),
            Self::FlippedBitsInStored => flipped_bits_in_stored(&all, &waiting, &mut scene.rng),
            Self::MissingSegment => missing_segment(&all, &waiting, &mut scene.rng),
        };
        for id in &lost {
            let key = waiting.get(id).expect("what is lost was waiting");
            scene.load.known().events.get_mut(key).expect("it was noted").is_lost = true;
        }
        scene.toll.did(self.name(), 1);
        scene.toll.did("records damaged before they were stored", lost.len() as u64);
        scene.start_again().await;
    }
}

impl Damage {
    fn name(&self) -> &'static str {
        match self {
            Self::TornTail => "torn tail of the log",
            Self::FlippedBits => "bits flipped in waiting records",
            Self::FlippedBitsInStored => "bits flipped in stored records, headers and notes",
            Self::MissingSegment => "segment missing",
        }
    }
}

fn torn_tail(all: &[Segment], rng: &mut StdRng) -> Vec<Uuid> {
    for segment in all.iter().filter(|segment| segment.is_last) {
        let bytes = std::fs::read(&segment.path).expect("a segment can be read");
        let Some(last) = segment.records.last() else { continue };
        let part = rng.random_range(1..last.bytes);
        let mut file = OpenOptions::new().append(true).open(&segment.path).expect("a segment can be opened");
        file.write_all(&bytes[last.start..last.start + part]).expect("it can be written");
    }
    Vec::new()
}

/// The last record of a partition is spared: damaged, it can't be told from a write that was never acknowledged.
fn flipped_bits(all: &[Segment], waiting: &HashMap<Uuid, Key>, rng: &mut StdRng) -> Vec<Uuid> {
    let mut candidates: Vec<(&Segment, &Record, Uuid)> = Vec::new();
    for segment in all {
        let spared = usize::from(segment.is_last);
        let records = &segment.records[..segment.records.len().saturating_sub(spared)];
        let own = records.iter().filter_map(|record| Some((segment, record, record.id?)));
        candidates.extend(own.filter(|(_, _, id)| waiting.contains_key(id)));
    }
    let count = rng.random_range(1..30).min(candidates.len());
    assert!(count > 0, "records wait in the log");
    let chosen: Vec<_> = candidates.sample(rng, count).copied().collect();
    for (segment, record, _) in &chosen {
        flip(&segment.path, record.start + rng.random_range(0..record.bytes), rng);
    }
    chosen.into_iter().map(|(_, _, id)| id).collect()
}

fn flipped_bits_in_stored(all: &[Segment], waiting: &HashMap<Uuid, Key>, rng: &mut StdRng) -> Vec<Uuid> {
    for segment in all {
        let is_waiting = |record: &Record| record.id.is_some_and(|id| waiting.contains_key(&id));
        let stored: Vec<_> = segment.records.iter().filter(|record| !is_waiting(record)).collect();
        for record in stored.sample(rng, 3) {
            flip(&segment.path, record.start + rng.random_range(0..record.bytes), rng);
        }
    }
    // Either headers or notes: a partition whose identity is nowhere right is refused, not guessed.
    if rng.random_bool(0.5) {
        for segment in all {
            flip(&segment.path, rng.random_range(0..48), rng);
        }
        return Vec::new();
    }
    let partitions: BTreeSet<_> = all.iter().filter_map(|segment| segment.path.parent()).collect();
    for note in partitions.iter().flat_map(|folder| NOTES.map(|name| folder.join(name))) {
        // Which of the two slots is the newer one does not matter: the file is short.
        if let Some(bytes) = note.metadata().ok().map(|found| found.len()).filter(|bytes| *bytes > 0)
            && rng.random_bool(0.5)
        {
            flip(&note, rng.random_range(0..usize::try_from(bytes).expect("a short file")), rng);
        }
    }
    Vec::new()
}

fn missing_segment(all: &[Segment], waiting: &HashMap<Uuid, Key>, rng: &mut StdRng) -> Vec<Uuid> {
    let of = |segment: &Segment| -> Vec<Uuid> {
        let ids = segment.records.iter().filter_map(|record| record.id);
        ids.filter(|id| waiting.contains_key(id)).collect()
    };
    // Without the last one the log would only be shorter.
    let candidates: Vec<_> =
        all.iter().filter(|segment| !segment.is_last && !of(segment).is_empty()).collect();
    let chosen = candidates.choose(rng).expect("so many events fill several segments");
    let lost = of(chosen);
    std::fs::remove_file(&chosen.path).expect("a segment can be removed");
    lost
}

fn flip(path: &Path, at: usize, rng: &mut StdRng) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("a file can be opened");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).expect("the place is inside");
    byte[0] ^= 1 << rng.random_range(0..8);
    file.write_all_at(&byte, at as u64).expect("it can be written");
}
