use std::fs;
use std::time::Duration;

use proptest::prelude::*;
use suanpan_log::{Entry, LogConfig, RecordBatch, SegmentLog};

use crate::reading::{read_from, segment_files};

/// Records of a few kilobytes, so that the index has some marks: 256 KiB lie between two.
fn record(offset: u64) -> Vec<u8> {
    let mut record = offset.to_le_bytes().to_vec();
    record.resize(1000 + (offset * 7919 % 9000) as usize, 0xFF);
    record
}

const RECORDS: u64 = 1000;

async fn fill(log: &SegmentLog) {
    for first in (0..RECORDS).step_by(50) {
        let batch: RecordBatch = (first..first + 50).map(record).collect();
        log.append(batch).await.unwrap();
    }
}

/// The first entry from this offset on.
async fn first(log: &SegmentLog, offset: u64) -> Entry {
    let mut reader = log.reader(offset);
    let mut entries = reader.next_batch(1, 1, Duration::ZERO).await.unwrap();
    assert_eq!(entries.len(), 1, "something is at {offset}");
    entries.remove(0)
}

fn whole(offset: u64) -> Entry {
    Entry::Record { offset, payload: record(offset).into() }
}

#[tokio::test]
async fn any_offset_is_found_in_a_segment_that_was_written_or_opened_or_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
    fill(&log).await;
    let all = async |log: &SegmentLog| {
        for offset in (0..RECORDS).step_by(37) {
            assert_eq!(first(log, offset).await, whole(offset));
        }
    };
    all(&log).await;
    log.close().await;
    let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
    all(&log).await;
    log.close().await;
    // With another segment behind it, nobody reads it through at open: its index begins empty.
    let first_file = segment_files(dir.path()).remove(0);
    let header = fs::read(&first_file).unwrap()[..48].to_vec();
    let mut next = header.clone();
    next[24..32].copy_from_slice(&RECORDS.to_le_bytes());
    let crc = crc32fast::hash(&next[..44]);
    next[44..48].copy_from_slice(&crc.to_le_bytes());
    fs::write(dir.path().join(format!("{RECORDS:020}.log")), next).unwrap();
    let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
    assert_eq!(log.end_offset(), RECORDS);
    all(&log).await;
    all(&log).await;
}

/// What a reader says of the offsets from `from` on, given what one says who read everything.
fn from(entries: &[Entry], from: u64) -> Vec<Entry> {
    let cut = |entry: &Entry| match entry {
        Entry::Record { offset, .. } => (*offset >= from).then(|| entry.clone()),
        Entry::Damaged { offsets } => {
            let offsets = offsets.start.max(from)..offsets.end;
            (!offsets.is_empty()).then_some(Entry::Damaged { offsets })
        }
    };
    entries.iter().filter_map(cut).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Wherever it begins, and whatever is spoiled, a reader finds what one finds who reads all of it.
    #[test]
    fn damage_is_the_same_from_wherever_it_is_met(
        runs in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![1..50usize, 1..900_000usize]), 1..4),
        offsets in prop::collection::vec(0..RECORDS, 1..5),
        filler: u8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
            fill(&log).await;
            let path = segment_files(dir.path()).remove(0);
            let mut bytes = fs::read(&path).unwrap();
            for (place, length) in &runs {
                let start = 48 + place.index(bytes.len() - 48);
                let end = (start + length).min(bytes.len());
                bytes[start..end].fill(filler);
            }
            // In place: the log has the file open.
            fs::write(&path, bytes).unwrap();
            let all = read_from(&log, 0).await;
            for offset in offsets {
                assert_eq!(read_from(&log, offset).await, from(&all, offset));
            }
        });
    }
}

/// A seek takes for granted that offsets rise in the file. Where they do not, all of it is looked at before anything is
/// called lost.
#[tokio::test]
async fn records_in_another_order_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
    fill(&log).await;
    let path = segment_files(dir.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let lengths: Vec<usize> = (0..RECORDS).map(|offset| record(offset).len() + 20).collect();
    let first_half: usize = 48 + lengths[..500].iter().sum::<usize>();
    bytes[48..].rotate_left(first_half - 48);
    fs::write(&path, bytes).unwrap();
    for offset in [500, 700, 999] {
        assert_eq!(first(&log, offset).await, whole(offset));
    }
}
