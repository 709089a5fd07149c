use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use suanpan_log::{LogConfig, LogError, SegmentLog};

use crate::reading::{fill, payload, read_from, segment_files, small, summary};

/// Ten records a segment.
const SEGMENT: u64 = 48 + 10 * 120;

/// A log that keeps committed segments of so many bytes.
fn keeping(dir: &Path, committed_bytes_kept_max: u64) -> LogConfig {
    LogConfig { committed_bytes_kept_max, ..small(dir, SEGMENT) }
}

#[tokio::test]
async fn only_committed_segments_are_deleted_down_to_the_bytes_that_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(keeping(dir.path(), SEGMENT)).unwrap();
    fill(&log, 45).await;
    let files_after = |commit| {
        log.commit(commit).unwrap();
        segment_files(dir.path()).len()
    };
    assert_eq!(files_after(0), 5);
    assert_eq!(files_after(19), 5, "one whole segment is below 19, and one is kept");
    assert_eq!(files_after(20), 4);
    assert_eq!(files_after(5), 4, "a lower commit changes nothing");
    assert_eq!((log.committed(), log.first_offset()), (20, 10));
    assert_eq!(files_after(45), 2);
    assert_eq!(log.bytes_on_disk(), SEGMENT + 48 + 5 * 120);
    // What retention deleted is passed over: it was committed.
    assert_eq!(summary(&read_from(&log, 0).await), "30-45");
    log.close().await;
    let log = SegmentLog::open(keeping(dir.path(), SEGMENT)).unwrap();
    assert_eq!((log.committed(), log.end_offset(), log.first_offset()), (45, 45, 30));
}

#[tokio::test]
async fn committed_segments_are_kept_for_their_time_and_uncommitted_ones_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { committed_kept_hours: 2, ..small(dir.path(), SEGMENT) };
    let log = SegmentLog::open(config.clone()).unwrap();
    fill(&log, 45).await;
    log.commit(25).unwrap();
    assert_eq!(segment_files(dir.path()).len(), 5, "they are young");
    log.close().await;
    let age = |file: &Path, hours: u64| {
        let time = SystemTime::now() - Duration::from_secs(3600 * hours);
        fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
    };
    let files = segment_files(dir.path());
    age(&files[0], 3);
    age(&files[1], 1);
    age(&files[2], 3);
    let log = SegmentLog::open(config).unwrap();
    log.commit(26).unwrap();
    assert_eq!((log.first_offset(), segment_files(dir.path()).len()), (10, 4));
}

#[tokio::test]
async fn a_reader_goes_on_when_its_segment_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(keeping(dir.path(), 0)).unwrap();
    fill(&log, 35).await;
    let mut reader = log.reader(0);
    let mut read = async || summary(&reader.next_batch(5, 4096, Default::default()).await.unwrap());
    assert_eq!(read().await, "0-5");
    log.commit(30).unwrap();
    assert_eq!(read().await, "30-35");
}

#[tokio::test]
async fn a_full_log_gives_up_what_is_committed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { log_bytes_max: 3 * SEGMENT, ..small(dir.path(), SEGMENT) };
    let log = SegmentLog::open(config.clone()).unwrap();
    fill(&log, 30).await;
    for _ in 0..2 {
        let full = log.append(vec![payload(30)]).await.unwrap_err();
        assert!(matches!(full, LogError::Full { limit } if limit == 3 * SEGMENT), "{full}");
    }
    assert_eq!(log.end_offset(), 30);
    log.commit(20).unwrap();
    assert_eq!(log.first_offset(), 0, "there is no need yet");
    fill(&log, 50).await;
    assert_eq!(log.first_offset(), 20);
    assert!(matches!(log.append(vec![payload(50)]).await, Err(LogError::Full { .. })));
    log.commit(50).unwrap();
    fill(&log, 51).await;
    assert_eq!(summary(&read_from(&log, 40).await), "40-51");
    log.commit(51).unwrap();
    log.close().await;

    // Bounds that were lowered below what is there do not lock a committed log up.
    let config = LogConfig { log_bytes_max: 1900, segment_bytes_max: 630, ..config };
    let log = SegmentLog::open(LogConfig { record_bytes_max: 100, ..config }).unwrap();
    fill(&log, 52).await;
    assert_eq!(summary(&read_from(&log, 51).await), "51-52");
}

/// Records stored elsewhere carry their offsets: these must not be given again, whatever became of the file.
#[tokio::test]
async fn committed_offsets_are_never_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(keeping(dir.path(), SEGMENT)).unwrap();
    fill(&log, 25).await;
    log.commit(24).unwrap();
    log.close().await;
    let last = fs::OpenOptions::new().write(true).open(&segment_files(dir.path())[1]).unwrap();
    last.set_len(48 + 130).unwrap();
    let log = SegmentLog::open(keeping(dir.path(), SEGMENT)).unwrap();
    assert_eq!((log.committed(), log.end_offset()), (24, 24));
    fill(&log, 30).await;
    assert_eq!(summary(&read_from(&log, 24).await), "24-30");
    log.close().await;
    for file in segment_files(dir.path()) {
        fs::remove_file(file).unwrap();
    }
    let log = SegmentLog::open(keeping(dir.path(), SEGMENT)).unwrap();
    fill(&log, 26).await;
    assert_eq!(summary(&read_from(&log, log.committed()).await), "24-26");
}
