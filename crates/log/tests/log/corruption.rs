use std::fs;
use std::path::Path;

use proptest::prelude::*;
use suanpan_log::{Entry, LogConfig, LogError, RecordBatch, SegmentLog};

use crate::reading::{fill, payload, read_from, segment_files, small, summary};

/// The format, as its description says it.
const SEGMENT_HEADER: usize = 48;
const RECORD_HEADER: usize = 20;
const RECORD: usize = RECORD_HEADER + 100;
/// Ten records fill a segment: offsets 0..10, 10..20 and 20..25 are in three files.
const SEGMENT: u64 = (SEGMENT_HEADER + 10 * RECORD) as u64;

/// Where the record begins in its file.
fn start_of(record: usize) -> usize {
    SEGMENT_HEADER + record % 10 * RECORD
}

/// Makes 25 records in three segments, spoils the files, opens the log and reads it whole.
async fn check(what: &str, spoil: impl FnOnce(&Path), expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(small(dir.path(), SEGMENT)).unwrap();
    fill(&log, 25).await;
    log.close().await;
    assert_eq!(segment_files(dir.path()).len(), 3);
    spoil(dir.path());
    let log = SegmentLog::open(small(dir.path(), SEGMENT)).unwrap();
    assert_eq!(summary(&read_from(&log, 0).await), expected, "{what}");
    // Whatever happened, the log goes on, and what is appended can be read.
    let end = log.end_offset();
    fill(&log, end + 12).await;
    assert_eq!(
        summary(&read_from(&log, end).await),
        format!("{end}-{}", end + 12),
        "{what}, appended after it"
    );
}

/// Changes the bytes of the segment that holds the record.
fn edit(record: usize, change: impl FnOnce(&mut Vec<u8>)) -> impl FnOnce(&Path) {
    move |dir| {
        let path = &segment_files(dir)[record / 10];
        let mut bytes = fs::read(path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }
}

fn flip(record: usize, at: usize) -> impl FnOnce(&Path) {
    edit(record, move |bytes| bytes[start_of(record) + at] ^= 0x10)
}

#[tokio::test]
async fn damage_in_a_sealed_segment_costs_only_what_it_hit() {
    check("nothing", |_| {}, "0-25").await;
    check("bit in magic", flip(13, 1), "0-13 !13-14 14-25").await;
    check("bit in length", flip(13, 4), "0-13 !13-14 14-25").await;
    check("high bit in length", flip(13, 7), "0-13 !13-14 14-25").await;
    check("bit in offset", flip(13, 8), "0-13 !13-14 14-25").await;
    check("bit in CRC", flip(13, 16), "0-13 !13-14 14-25").await;
    check("bit in payload", flip(13, 60), "0-13 !13-14 14-25").await;
    check("first record", flip(0, 30), "!0-1 1-25").await;
    check("last record of a segment", flip(19, 30), "0-19 !19-20 20-25").await;
    let zero = edit(12, |bytes| bytes[start_of(12) + 50..start_of(15) + 50].fill(0));
    check("zeroed run", zero, "0-12 !12-16 16-25").await;
    let zero = edit(10, |bytes| bytes[SEGMENT_HEADER..].fill(0));
    check("zeroed segment", zero, "0-10 !10-20 20-25").await;
    check("segment header", edit(10, |bytes| bytes[..SEGMENT_HEADER].fill(0xAA)), "0-25").await;
    check("cut inside a record", edit(10, |bytes| bytes.truncate(start_of(14) + 9)), "0-14 !14-20 20-25")
        .await;
    check("cut to nothing", edit(10, Vec::clear), "0-10 !10-20 20-25").await;
    check("garbage behind", edit(10, |bytes| bytes.extend([0xFF; 999])), "0-25").await;
    let insert =
        edit(13, |bytes| drop(bytes.splice(start_of(13)..start_of(13), [0xFF, 0x5A, 0xA5, 0xFE, 9])));
    check("garbage between records", insert, "0-25").await;
    let remove = edit(13, |bytes| drop(bytes.drain(start_of(13)..start_of(15))));
    check("records cut out", remove, "0-13 !13-15 15-25").await;
    let double = edit(13, |bytes| {
        let copy = bytes[start_of(13)..start_of(14)].to_vec();
        bytes.splice(start_of(14)..start_of(14), copy);
    });
    check("record twice", double, "0-25").await;
    let missing = |dir: &Path| fs::remove_file(&segment_files(dir)[1]).unwrap();
    check("missing segment", missing, "0-10 !10-20 20-25").await;
    let missing = |dir: &Path| fs::remove_file(&segment_files(dir)[0]).unwrap();
    check("missing first segment", missing, "!0-10 10-25").await;
}

#[tokio::test]
async fn the_last_segment_is_cut_at_its_last_whole_record() {
    check("damage in the middle", flip(22, 60), "0-22 !22-23 23-25").await;
    check("garbage behind", edit(20, |bytes| bytes.extend([0xFF; 999])), "0-25").await;
    check("zeros behind", edit(20, |bytes| bytes.extend([0; 5000])), "0-25").await;
    check("torn header", edit(20, |bytes| bytes.truncate(start_of(24) + 9)), "0-24").await;
    check("torn payload", edit(20, |bytes| bytes.truncate(start_of(24) + 99)), "0-24").await;
    check("no record left", edit(20, |bytes| bytes.truncate(SEGMENT_HEADER)), "0-20").await;
    check("nothing left", edit(20, Vec::clear), "0-20").await;
    check("segment header", edit(20, |bytes| bytes[..SEGMENT_HEADER].fill(0)), "0-25").await;
    let double = edit(24, |bytes| bytes.extend_from_within(start_of(24)..));
    check("last record twice", double, "0-25").await;
    let missing = |dir: &Path| fs::remove_file(&segment_files(dir)[2]).unwrap();
    check("missing", missing, "0-20").await;
}

#[tokio::test]
async fn lost_companions_are_restored() {
    check("identity damaged", |dir| fs::write(dir.join("log.meta"), "?").unwrap(), "0-25").await;
    check("identity missing", |dir| fs::remove_file(dir.join("log.meta")).unwrap(), "0-25").await;
    check("commit damaged", |dir| fs::write(dir.join("committed"), "?").unwrap(), "0-25").await;
    check("commit missing", |dir| fs::remove_file(dir.join("committed")).unwrap(), "0-25").await;
    check("half-made file", |dir| fs::write(dir.join("00000000000000000025.tmp"), "?").unwrap(), "0-25")
        .await;
}

#[tokio::test]
async fn the_identity_survives_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
    fill(&log, 1).await;
    let epoch = log.epoch();
    log.close().await;
    fs::remove_file(dir.path().join("log.meta")).unwrap();
    assert_eq!(SegmentLog::open(LogConfig::new(dir.path())).unwrap().epoch(), epoch);
    edit(0, Vec::clear)(dir.path());
    fs::remove_file(dir.path().join("log.meta")).unwrap();
    let refused = SegmentLog::open(LogConfig::new(dir.path())).unwrap_err();
    assert!(matches!(refused, LogError::IdentityLost { .. }), "{refused}");
}

/// A payload cannot pass for a record, even where damage makes the reader search inside it.
#[tokio::test]
async fn records_inside_payloads_are_not_believed() {
    let donor = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(LogConfig::new(donor.path())).unwrap();
    fill(&log, 3).await;
    log.close().await;
    let forged = fs::read(&segment_files(donor.path())[0]).unwrap()[SEGMENT_HEADER + 2 * RECORD..].to_vec();

    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
    log.append(vec![payload(0), forged, payload(2)]).await.unwrap();
    log.close().await;
    edit(0, |bytes| bytes[SEGMENT_HEADER + RECORD + 4] ^= 1)(dir.path());
    let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
    assert_eq!(summary(&read_from(&log, 0).await), "0-1 !1-2 2-3");
}

/// The reader looks for the next record in windows of 256 KiB: one that begins at the very end of a window is found.
#[tokio::test]
async fn a_record_across_two_windows_is_found_after_damage() {
    const WINDOW: usize = 256 << 10;
    for before_end in 0..=24 {
        let dir = tempfile::tempdir().unwrap();
        let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
        let damaged = vec![b'x'; WINDOW - RECORD_HEADER - before_end];
        log.append(vec![damaged, payload(1)]).await.unwrap();
        edit(0, |bytes| bytes[SEGMENT_HEADER + 500] = b'y')(dir.path());
        assert_eq!(summary(&read_from(&log, 0).await), "!0-1 1-2", "{before_end} bytes before the end");
    }
}

/// Damage that appears while the log is open is found by a reader that comes to it.
#[tokio::test]
async fn damage_under_an_open_log_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(small(dir.path(), SEGMENT)).unwrap();
    fill(&log, 25).await;
    flip(23, 60)(dir.path());
    fs::remove_file(&segment_files(dir.path())[0]).unwrap();
    assert_eq!(summary(&read_from(&log, 3).await), "!3-10 10-23 !23-24 24-25");
}

/// The offset whose record covers each byte of a segment of these payloads, headers included.
fn owners(lengths: &[usize]) -> Vec<usize> {
    let records = lengths.iter().enumerate();
    records.flat_map(|(offset, length)| std::iter::repeat_n(offset, length + RECORD_HEADER)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Runs of spoiled bytes, of any length and place, some wider than the reader's window: what they do not touch is read,
    /// and what is not read is reported.
    #[test]
    fn what_damage_does_not_touch_is_read(
        lengths in prop::collection::vec(prop_oneof![4 => 0..2000usize, 1 => 0..200_000usize], 1..40),
        runs in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![1..50usize, 1..400_000usize]), 1..4),
        filler: u8,
    ) {
        let owners = owners(&lengths);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
            let batch: RecordBatch = lengths.iter().map(|length| vec![b'x'; *length]).collect();
            log.append(batch).await.unwrap();
            let path = segment_files(dir.path()).remove(0);
            let mut bytes = fs::read(&path).unwrap();
            let mut lost = vec![false; lengths.len()];
            for (place, length) in &runs {
                let start = place.index(owners.len());
                for at in start..(start + length).min(owners.len()) {
                    let spoiled = &mut bytes[SEGMENT_HEADER + at];
                    lost[owners[at]] |= *spoiled != filler;
                    *spoiled = filler;
                }
            }
            // In place: the log has the file open.
            fs::write(&path, bytes).unwrap();
            let mut read_lost = vec![false; lengths.len()];
            let mut next = 0;
            for entry in read_from(&log, 0).await {
                match entry {
                    Entry::Record { offset, payload } => {
                        assert_eq!((offset, payload.len()), (next, lengths[offset as usize]));
                        next += 1;
                    }
                    Entry::Damaged { offsets } => {
                        assert_eq!(offsets.start, next);
                        read_lost[offsets.start as usize..offsets.end as usize].fill(true);
                        next = offsets.end;
                    }
                }
            }
            assert_eq!((next, read_lost), (lengths.len() as u64, lost));
        });
    }
}
