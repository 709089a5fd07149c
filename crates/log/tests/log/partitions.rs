use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use suanpan_log::{EmbeddedLog, Entry, EventLog, LogConfig, LogError, SegmentLog};

use crate::reading::{fill, payload, segment_files, small, summary};

fn open(dir: &Path, partitions: u32) -> EmbeddedLog {
    EmbeddedLog::open(LogConfig { partitions, ..small(dir, 2000) }).unwrap()
}

async fn append(log: &EmbeddedLog, keys: impl IntoIterator<Item = u64>) {
    let mut batch = log.batch();
    keys.into_iter().for_each(|key| batch.push(key, &payload(key)));
    log.append(batch).await.unwrap();
}

/// All entries of a partition that are there.
async fn read(log: &EmbeddedLog, partition: u32) -> Vec<Entry> {
    let mut reader = log.look(partition, 0).await.unwrap();
    let mut all = Vec::new();
    loop {
        let entries = reader.next_batch(7, 4096, Duration::ZERO).await.unwrap();
        if entries.is_empty() {
            return all;
        }
        all.extend(entries);
    }
}

/// Every partition's committed offset and end.
async fn stands(log: &EmbeddedLog) -> Vec<(u64, u64)> {
    let positions = log.positions().await.unwrap();
    positions.iter().map(|position| (position.committed, position.end_offset)).collect()
}

/// Commits everything, as the pipeline does.
async fn commit_all(log: &EmbeddedLog) {
    let mut subscription = log.subscribe().await.unwrap();
    // They are held, or they would be given again.
    let mut readers = Vec::new();
    for (_, end) in stands(log).await {
        let mut reader = subscription.next().await.unwrap();
        reader.commit(end).await.unwrap();
        readers.push(reader);
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Makes a log as it was before there were partitions, and interrupts the move after each of its renames.
#[tokio::test]
async fn a_log_in_the_folder_itself_is_moved_however_often_that_is_interrupted() {
    for moved_already in 0..=5 {
        let dir = tempfile::tempdir().unwrap();
        let old = SegmentLog::open(small(dir.path(), 1248)).unwrap();
        fill(&old, 25).await;
        old.commit(12).unwrap();
        let epoch = old.epoch();
        old.close().await;
        assert_eq!(segment_files(dir.path()).len(), 3);
        let target = dir.path().join("partition-0");
        let files = segment_files(dir.path()).into_iter();
        let files = files.chain(["committed", "log.meta"].map(|name| dir.path().join(name)));
        for file in files.take(moved_already) {
            fs::create_dir_all(&target).unwrap();
            fs::rename(&file, target.join(file.file_name().unwrap())).unwrap();
        }
        let log = open(dir.path(), 1);
        assert_eq!(names(dir.path()), ["lock", "partition-0", "partitions"], "{moved_already} were moved");
        assert_eq!(stands(&log).await, [(12, 25)]);
        assert_eq!(log.positions().await.unwrap()[0].epoch, epoch);
        assert_eq!(summary(&read(&log, 0).await), "0-25");
        log.close().await;
        assert_eq!(stands(&open(dir.path(), 1)).await, [(12, 25)]);
    }
}

#[tokio::test]
async fn a_file_that_is_in_both_places_is_left_to_a_person() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 1);
    append(&log, [0]).await;
    log.close().await;
    let segment = segment_files(&dir.path().join("partition-0")).remove(0);
    let stray = dir.path().join(segment.file_name().unwrap());
    fs::copy(&segment, &stray).unwrap();
    let refused = EmbeddedLog::open(small(dir.path(), 2000)).unwrap_err();
    assert!(matches!(&refused, LogError::Foreign { path } if *path == stray), "{refused}");
    fs::remove_file(stray).unwrap();
    assert_eq!(stands(&open(dir.path(), 1)).await, [(0, 1)]);
}

#[tokio::test]
async fn the_number_of_partitions_changes_when_everything_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 2);
    append(&log, 0..6).await;
    log.close().await;
    let log = open(dir.path(), 3);
    assert_eq!((log.partitions(), stands(&log).await.len()), (2, 2), "records wait");
    commit_all(&log).await;
    log.close().await;

    let log = open(dir.path(), 3);
    assert_eq!(log.partitions(), 3);
    append(&log, [5]).await;
    assert_eq!(stands(&log).await, [(3, 3), (3, 3), (0, 1)]);
    commit_all(&log).await;
    log.close().await;

    let log = open(dir.path(), 1);
    assert_eq!(log.partitions(), 1);
    append(&log, 0..3).await;
    assert_eq!(stands(&log).await, [(3, 6), (3, 3), (1, 1)], "the others stay, and get nothing");
    log.close().await;
    // The number is told by its file, not by the folders that are there.
    assert_eq!(open(dir.path(), 3).partitions(), 1);
    fs::remove_file(dir.path().join("partitions")).unwrap();
    assert_eq!(open(dir.path(), 2).partitions(), 3, "without it, all that are there count");
}

#[tokio::test]
async fn a_partition_that_is_not_written_any_more_is_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 2);
    append(&log, [1, 3, 5]).await;
    commit_all(&log).await;
    log.close().await;
    // A power failure may take the last commits back.
    fs::remove_file(dir.path().join("partition-1/committed")).unwrap();
    fs::remove_file(dir.path().join("partitions")).unwrap();
    fs::create_dir(dir.path().join("partition-2")).unwrap();
    let log = open(dir.path(), 1);
    assert_eq!(log.partitions(), 3, "nothing changes before they are read");
    let mut subscription = log.subscribe().await.unwrap();
    let (mut found, mut readers) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let mut reader = subscription.next().await.unwrap();
        let entries = reader.next_batch(10, 10_000, Duration::ZERO).await.unwrap();
        found.push((reader.partition(), entries.len()));
        readers.push(reader);
    }
    assert_eq!(found, [(0, 0), (1, 3), (2, 0)]);
}

#[tokio::test]
async fn the_folder_and_the_reading_are_one_process_s() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 2);
    let refused = EmbeddedLog::open(small(dir.path(), 2000)).unwrap_err();
    assert!(matches!(refused, LogError::Locked { .. }), "{refused}");
    let refused = SegmentLog::open(small(dir.path(), 2000)).unwrap_err();
    assert!(
        matches!(refused, LogError::Locked { .. }),
        "a program without partitions is kept out too: {refused}"
    );
    let mut subscription = log.subscribe().await.unwrap();
    let reader = subscription.next().await.unwrap();
    drop(subscription);
    assert!(matches!(log.subscribe().await, Err(LogError::Subscribed)), "a reader is left");
    drop(reader);
    log.subscribe().await.unwrap();
    log.close().await;
    assert!(matches!(log.subscribe().await, Err(LogError::Closed)));
    drop(open(dir.path(), 2));
}

/// The bounds are those of all partitions together.
#[tokio::test]
async fn partitions_share_their_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { partitions: 3, log_bytes_max: 8000, ..small(dir.path(), 2000) };
    let log = Arc::new(EmbeddedLog::open(config).unwrap());
    let mut taken = 0;
    let refused = loop {
        let mut batch = log.batch();
        batch.push(taken, &payload(taken));
        batch.push(taken + 1, &payload(taken));
        match log.append(batch).await {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, LogError::Full { limit: 8000 }), "{refused}");
    // Three partitions, two segments in some: 8000 bytes are so many records of 120.
    assert!((32..=33).contains(&taken), "{taken}");
    let ends: u64 = stands(&log).await.iter().map(|(_, end)| end).sum();
    assert_eq!(ends, 2 * taken, "of what was refused, no partition has a part");
    commit_all(&log).await;
    append(&log, 0..6).await;
}
