use std::fs;
use std::time::Duration;

use bytes::Bytes;
use suanpan_log::{Entry, LogConfig, LogError, RecordBatch, SegmentLog};

use crate::reading::{fill, read_from, segment_files, small, summary};

#[tokio::test]
async fn offsets_commit_and_epoch_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(LogConfig::new(dir.path().join("made/on/the/way"))).unwrap();
    assert_eq!((log.end_offset(), log.committed(), log.lag(), log.partition()), (0, 0, 0, 0));
    let epoch = log.epoch();
    assert_ne!(epoch, 0);
    fill(&log, 10).await;
    log.commit(4).unwrap();
    assert_eq!((log.end_offset(), log.committed(), log.lag()), (10, 4, 6));
    log.close().await;

    let log = SegmentLog::open(LogConfig::new(dir.path().join("made/on/the/way"))).unwrap();
    assert_eq!((log.epoch(), log.end_offset(), log.committed(), log.lag()), (epoch, 10, 4, 6));
    assert_eq!(summary(&read_from(&log, log.committed()).await), "4-10");
    fill(&log, 12).await;
    assert_eq!(summary(&read_from(&log, 0).await), "0-12");
    drop(log);

    fs::remove_dir_all(dir.path().join("made")).unwrap();
    let anew = SegmentLog::open(LogConfig::new(dir.path().join("made/on/the/way"))).unwrap();
    assert_ne!(anew.epoch(), epoch, "a log made anew is another log");
}

#[tokio::test]
async fn a_batch_is_one_range_and_many_appenders_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(small(dir.path(), 2000)).unwrap();
    let appends = (0..40u8).map(|writer| {
        let log = log.clone();
        tokio::spawn(async move {
            let records: Vec<Bytes> = (0..5u8).map(|record| Bytes::from(vec![writer, record])).collect();
            (writer, log.append(records).await.unwrap())
        })
    });
    let mut expected = vec![Bytes::new(); 200];
    for append in appends.collect::<Vec<_>>() {
        let (writer, offsets) = append.await.unwrap();
        for (record, offset) in (0..5u8).zip(offsets) {
            expected[offset as usize] = Bytes::from(vec![writer, record]);
        }
    }
    let found = read_from(&log, 0).await;
    let expected = (0..).zip(expected).map(|(offset, payload)| Entry::Record { offset, payload });
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reader_waits_for_data_and_learns_of_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
    let mut reader = log.reader(0);
    assert!(reader.next_batch(10, 1000, Duration::ZERO).await.unwrap().is_empty());
    let reading = tokio::spawn(async move {
        let first = reader.next_batch(10, 1000, Duration::from_secs(3600)).await;
        let closed = reader.next_batch(10, 1000, Duration::from_secs(3600)).await;
        (first, closed, reader.position())
    });
    tokio::task::yield_now().await;
    fill(&log, 1).await;
    // The reader is woken by the append, then by the close; were it not, this would wait an hour.
    log.close().await;
    let (first, closed, position) = reading.await.unwrap();
    assert_eq!((summary(&first.unwrap()), position), ("0-1".to_owned(), 1));
    assert!(matches!(closed, Err(LogError::Closed)));
}

#[tokio::test]
async fn reading_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(small(dir.path(), 1000)).unwrap();
    fill(&log, 20).await;
    let mut reader = log.reader(0);
    assert_eq!(summary(&reader.next_batch(3, 1 << 20, Duration::ZERO).await.unwrap()), "0-3");
    assert_eq!(summary(&reader.next_batch(100, 350, Duration::ZERO).await.unwrap()), "3-7");
    assert_eq!(summary(&reader.next_batch(100, 1, Duration::ZERO).await.unwrap()), "7-8");
    assert_eq!(summary(&reader.next_batch(100, 1 << 20, Duration::ZERO).await.unwrap()), "8-20");
}

#[test]
fn a_dropped_read_reads_nothing() {
    // With the only blocking thread held, a read surely stops half way.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let log = SegmentLog::open(small(dir.path(), 1000)).unwrap();
        fill(&log, 20).await;
        let mut reader = log.reader(0);
        assert_eq!(summary(&reader.next_batch(3, 1 << 20, Duration::ZERO).await.unwrap()), "0-3");
        let (free, held) = std::sync::mpsc::channel::<()>();
        let holder = tokio::task::spawn_blocking(move || held.recv());
        {
            let mut read = std::pin::pin!(reader.next_batch(100, 1 << 20, Duration::ZERO));
            let polled = std::future::poll_fn(|context| std::task::Poll::Ready(read.as_mut().poll(context)));
            assert!(polled.await.is_pending());
        }
        free.send(()).unwrap();
        holder.await.unwrap().unwrap();
        assert_eq!(summary(&reader.next_batch(100, 1 << 20, Duration::ZERO).await.unwrap()), "3-20");
    });
}

#[tokio::test]
async fn a_folder_is_open_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(LogConfig::new(dir.path())).unwrap();
    let refused = SegmentLog::open(LogConfig::new(dir.path())).unwrap_err();
    assert!(matches!(refused, LogError::Locked { .. }), "{refused}");
    log.clone().close().await;
    assert!(matches!(log.append(vec![vec![1]]).await, Err(LogError::Closed)));
    assert!(matches!(log.commit(0), Err(LogError::Closed)));
    SegmentLog::open(LogConfig::new(dir.path())).unwrap();
}

#[tokio::test]
async fn limits_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        LogConfig { append_queue_records_max: 50, append_queue_bytes_max: 3000, ..small(dir.path(), 2048) };
    let log = SegmentLog::open(config).unwrap();
    let refusal = async |records: usize, bytes: usize| {
        let batch: RecordBatch = std::iter::repeat_n(vec![0; bytes], records).collect();
        log.append(batch).await.unwrap_err().to_string()
    };
    assert_eq!(refusal(1, 601).await, "a record of 601 bytes is over record_bytes_max = 600");
    assert_eq!(refusal(51, 1).await, "a batch of 51 is over append_queue_records_max = 50");
    assert_eq!(refusal(6, 600).await, "a batch of 3600 is over append_queue_bytes_max = 3000");
    assert_eq!(refusal(4, 500).await, "a batch of 2080 is over segment_bytes_max = 2000");
    let error = log.commit(1).unwrap_err();
    assert_eq!(error.to_string(), "cannot commit 1: the log ends at 0");
    assert_eq!(log.append(RecordBatch::new()).await.unwrap(), 0..0);
    assert_eq!(log.end_offset(), 0);
}

#[tokio::test]
async fn other_formats_and_other_logs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    for folder in [&dir, &other] {
        let log = SegmentLog::open(small(folder.path(), 1000)).unwrap();
        fill(&log, 20).await;
        log.close().await;
    }
    let segment = segment_files(dir.path()).remove(1);
    let original = fs::read(&segment).unwrap();
    let open = || SegmentLog::open(small(dir.path(), 1000));

    fs::copy(&segment_files(other.path())[1], &segment).unwrap();
    assert!(matches!(open(), Err(LogError::Foreign { .. })));

    // Version 2, with a CRC that holds (zlib's polynomial).
    let mut future = original.clone();
    future[8] = 2;
    let crc = crc32fast::hash(&future[..44]);
    future[44..48].copy_from_slice(&crc.to_le_bytes());
    fs::write(&segment, &future).unwrap();
    assert!(matches!(open(), Err(LogError::UnknownVersion { found: 2, known: 1, .. })));

    fs::write(&segment, &original).unwrap();
    assert_eq!(summary(&read_from(&open().unwrap(), 0).await), "0-20");
}
