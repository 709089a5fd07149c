use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use suanpan_log::{EmbeddedLog, EventLog, LogConfig, SegmentLog};

use crate::reading::{fill, payload, read_from, segment_files, small, summary};

/// Ten records a segment.
const SEGMENT: u64 = 48 + 10 * 120;

/// A log of one partition with 25 records in three segments, committed up to 17.
async fn make(dir: &Path) -> EmbeddedLog {
    let log = EmbeddedLog::open(LogConfig { partitions: 1, ..small(dir, SEGMENT) }).unwrap();
    for offset in 0..25 {
        let mut batch = log.batch();
        batch.push(0, &payload(offset));
        log.append(batch).await.unwrap();
    }
    log.subscribe().await.unwrap().next().await.unwrap().commit(17).await.unwrap();
    log
}

/// The offsets whose payloads lie in any of the files.
fn on_disk(dir: &Path) -> Vec<u64> {
    let files: Vec<Vec<u8>> = segment_files(dir).iter().map(|file| fs::read(file).unwrap()).collect();
    let holds = |offset: &u64| {
        let payload = payload(*offset);
        files.iter().any(|file| file.windows(100).any(|window| window == payload))
    };
    (0..25).filter(holds).collect()
}

#[tokio::test]
async fn what_is_below_is_in_no_file_and_the_rest_is_in_its_place() {
    for below in [0, 1, 9, 10, 13, 17] {
        let dir = tempfile::tempdir().unwrap();
        let log = make(dir.path()).await;
        let mut reader = log.look(0, 12).await.unwrap();
        let begun = reader.next_batch(1, 1, Duration::ZERO).await.unwrap();
        assert_eq!(summary(&begun), "12-13");
        log.forget(&[(0, below)]).await.unwrap();
        let partition = dir.path().join("partition-0");
        assert_eq!(on_disk(&partition), (below..25).collect::<Vec<u64>>(), "below {below}");
        // Who was reading the segment that was cut goes on.
        let rest = reader.next_batch(100, 100_000, Duration::ZERO).await.unwrap();
        assert_eq!(summary(&rest), format!("{}-25", below.max(13)));
        log.close().await;
        let log = SegmentLog::open(small(&partition, SEGMENT)).unwrap();
        assert_eq!((log.first_offset(), log.committed(), log.end_offset()), (below, 17, 25));
        assert_eq!(summary(&read_from(&log, below).await), format!("{below}-25"));
    }
}

/// A crash after the rest was copied and before the old file was deleted leaves both.
#[tokio::test]
async fn a_deletion_that_was_interrupted_costs_nothing_and_is_made_good() {
    let dir = tempfile::tempdir().unwrap();
    let log = make(dir.path()).await;
    let partition = dir.path().join("partition-0");
    let files: Vec<_> =
        segment_files(&partition).into_iter().map(|file| (fs::read(&file).unwrap(), file)).collect();
    log.forget(&[(0, 13)]).await.unwrap();
    log.close().await;
    files[..2].iter().for_each(|(content, file)| fs::write(file, content).unwrap());
    let log = EmbeddedLog::open(LogConfig { partitions: 1, ..small(dir.path(), SEGMENT) }).unwrap();
    let mut reader = log.look(0, 0).await.unwrap();
    let all = reader.next_batch(100, 100_000, Duration::ZERO).await.unwrap();
    assert_eq!(summary(&all), "0-25");
    log.forget(&[(0, 13)]).await.unwrap();
    assert_eq!(on_disk(&partition), (13..25).collect::<Vec<u64>>());
}

/// Damage behind the cut is what it was, and the end too.
#[tokio::test]
async fn a_cut_keeps_damage_as_it_is() {
    for (damaged, below, expected) in [(14, 12, "12-14 !14-15 15-25"), (12, 12, "!12-13 13-25")] {
        let dir = tempfile::tempdir().unwrap();
        let log = make(dir.path()).await;
        let file = segment_files(&dir.path().join("partition-0")).remove(1);
        let mut bytes = fs::read(&file).unwrap();
        bytes[48 + (damaged - 10) * 120 + 60] ^= 1;
        fs::write(&file, bytes).unwrap();
        log.forget(&[(0, below)]).await.unwrap();
        let mut reader = log.look(0, below).await.unwrap();
        let rest = reader.next_batch(100, 100_000, Duration::ZERO).await.unwrap();
        assert_eq!(summary(&rest), expected, "{damaged}");
    }
}

/// A segment does not stay for ever because few records come: it is ended when it is old, and goes when it was kept
/// long enough.
#[tokio::test]
async fn an_old_segment_is_ended_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
    fill(&log, 5).await;
    log.commit(5).unwrap();
    log.close().await;
    let two_hours_ago = SystemTime::now() - Duration::from_secs(7200);
    let file = segment_files(dir.path()).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    let made = two_hours_ago.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64;
    bytes[32..40].copy_from_slice(&made.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..44]);
    bytes[44..48].copy_from_slice(&crc.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(two_hours_ago).unwrap();
    let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
    let gone = async {
        while log.first_offset() < 5 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("housekeeping deletes it");
    fill(&log, 7).await;
    log.close().await;
    let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
    assert_eq!((log.first_offset(), log.committed(), log.end_offset()), (5, 5, 7));
    assert_eq!(summary(&read_from(&log, 5).await), "5-7");
}
