//! Partitions that change their readers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use suanpan_log::{Entry, EventLog, KafkaLog, LogError, PartitionReader};
use suanpan_parts::Kafka;
use tokio::sync::watch;

use crate::setup::{append, config, eventually, given, numbered, open, read, text};

/// What was stored of each offset, and how often: `(partition, offset)`.
type Store = Arc<Mutex<BTreeMap<(u32, u64), usize>>>;

/// Reads a partition as the pipeline does, with a store that takes its time, until it is revoked or stopped.
async fn store_all(mut reader: Box<dyn PartitionReader>, store: Store, stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let entries = match reader.next_batch(20, usize::MAX, Duration::from_millis(20)).await {
            Ok(entries) if entries.is_empty() => continue,
            Ok(entries) => entries,
            Err(LogError::Revoked { .. }) => return,
            Err(LogError::Unavailable { .. }) => continue,
            Err(other) => panic!("{other}"),
        };
        let offsets: Vec<u64> = entries.into_iter().map(|entry| text(entry).0).collect();
        let batch = offsets[0]..offsets[offsets.len() - 1] + 1;
        // A batch in flight is finished, since a handover waits long enough for it.
        reader.decide(batch.clone()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
        for offset in offsets {
            *store.lock().unwrap().entry((reader.partition(), offset)).or_default() += 1;
        }
        reader.commit(batch.end).await.unwrap();
    }
}

/// A process of the cluster: it stores what it is given, until it is stopped.
async fn worker(log: Arc<KafkaLog>, store: Store, mut stop: watch::Receiver<bool>) -> usize {
    let mut subscription = log.subscribe().await.unwrap();
    let mut readers = Vec::new();
    let stopped = stop.clone();
    loop {
        let reader = tokio::select! {
            _stopped = stop.wait_for(|stop| *stop) => break,
            reader = subscription.next() => reader.unwrap(),
        };
        readers.push(tokio::spawn(store_all(reader, Arc::clone(&store), stopped.clone())));
    }
    let were_given = readers.len();
    for reader in readers {
        reader.await.unwrap();
    }
    drop(subscription);
    log.close().await;
    were_given
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_move_between_workers_and_each_record_is_stored_once() {
    const RECORDS: u64 = 3000;
    let config = config(Kafka::shared(), 4);
    let log = open(&config).await;
    let store = Store::default();
    let stop = || watch::channel(false);
    let ((stop_first, first), (stop_second, second), (stop_third, third)) = (stop(), stop(), stop());
    let mut workers = Vec::new();
    workers.push(tokio::spawn(worker(open(&config).await, Arc::clone(&store), first)));
    let mut joining = [Some(second), Some(third)];
    for part in 0..30 {
        append(&log, &numbered(part * RECORDS / 30..(part + 1) * RECORDS / 30)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        // A second and a third worker join while records come, and the first one leaves.
        match part {
            8 | 16 => {
                let stopped = joining[(part / 8 - 1) as usize].take().unwrap();
                workers.push(tokio::spawn(worker(open(&config).await, Arc::clone(&store), stopped)));
            }
            23 => drop(stop_first.send_replace(true)),
            _ => {}
        }
    }
    eventually("all records are stored", || async {
        (store.lock().unwrap().len() as u64 == RECORDS).then_some(())
    })
    .await;
    let committed = eventually("all is committed", || async {
        let positions = log.positions().await.ok()?;
        positions.iter().all(|position| position.lag() == 0).then_some(positions)
    })
    .await;
    stop_second.send_replace(true);
    stop_third.send_replace(true);
    let mut were_given = Vec::new();
    for worker in workers {
        were_given.push(worker.await.unwrap());
    }
    assert!(were_given.iter().all(|partitions| *partitions > 0), "each worker had its share: {were_given:?}");
    assert!(were_given.iter().sum::<usize>() > 4, "partitions moved: {were_given:?}");
    let twice: Vec<_> =
        store.lock().unwrap().iter().filter(|(_, times)| **times > 1).map(|(at, _)| *at).collect();
    assert!(twice.is_empty(), "stored twice: {twice:?}");
    assert_eq!(committed.iter().map(|position| position.end_offset).sum::<u64>(), RECORDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_finish_in_time_can_commit_no_more() {
    let mut config = config(Kafka::shared(), 1);
    config.handover_ms = 500;
    let log = open(&config).await;
    append(&log, &numbered(0..10)).await.unwrap();
    let mut subscription = log.subscribe().await.unwrap();
    let mut late = given(&mut subscription).await;
    late.decide(0..6).await.unwrap();
    // The partition is taken from it when its subscription ends.
    let revoked = late.revoked();
    assert!(!*revoked.borrow());
    drop(subscription);

    let other = open(&config).await;
    let mut subscription = other.subscribe().await.unwrap();
    let mut next = given(&mut subscription).await;
    assert!(*revoked.borrow(), "it was told before another was given the partition");
    assert_eq!(next.decided(), Some(0..6), "the next one makes the same batch");
    for answer in [late.commit(6).await, late.decide(6..8).await] {
        assert!(matches!(answer, Err(LogError::Revoked { partition: 0 })), "{answer:?}");
    }
    let answer = late.next_batch(1, 1, Duration::ZERO).await;
    assert!(matches!(answer, Err(LogError::Revoked { partition: 0 })), "{answer:?}");
    assert_eq!(next.position().await.unwrap().committed, 0);
    next.commit(6).await.unwrap();
    assert_eq!(read(&mut *next, 10).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_reader_finishes_its_batch_before_the_next_one_begins() {
    let config = config(Kafka::shared(), 1);
    let log = open(&config).await;
    append(&log, &numbered(0..10)).await.unwrap();
    let mut subscription = log.subscribe().await.unwrap();
    let mut reader = given(&mut subscription).await;
    assert_eq!(read(&mut *reader, 6).await.len(), 6);
    reader.decide(0..6).await.unwrap();
    let mut revoked = reader.revoked();
    let finish = tokio::spawn(async move {
        revoked.wait_for(|revoked| *revoked).await.unwrap();
        let more = reader.next_batch(1, 1, Duration::ZERO).await;
        assert!(matches!(more, Err(LogError::Revoked { partition: 0 })), "{more:?}");
        tokio::time::sleep(Duration::from_millis(300)).await;
        reader.commit(6).await
    });
    drop(subscription);
    let other = open(&config).await;
    let mut subscription = other.subscribe().await.unwrap();
    let mut next = given(&mut subscription).await;
    finish.await.unwrap().unwrap();
    assert_eq!((next.decided(), next.position().await.unwrap().committed), (None, 6));
    assert_eq!(read(&mut *next, 1).await, [(6, "record 6".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_went_before_they_were_read_are_reported() {
    let config = config(Kafka::shared(), 1);
    let log = open(&config).await;
    append(&log, &numbered(0..10)).await.unwrap();
    // Another group has read all, and lets them go; this one has read two.
    let mut others = config.clone();
    others.group += "-others";
    let other = open(&others).await;
    let mut their_subscription = other.subscribe().await.unwrap();
    let mut theirs = given(&mut their_subscription).await;
    theirs.commit(10).await.unwrap();
    let mut subscription = log.subscribe().await.unwrap();
    let mut reader = given(&mut subscription).await;
    reader.commit(2).await.unwrap();

    other.forget(&[(0, 7)]).await.unwrap();
    reader.seek(0);
    let first = reader.next_batch(1, 1, Duration::from_secs(30)).await.unwrap();
    assert_eq!(first, [Entry::Damaged { offsets: 2..7 }], "what was committed is not missed");
    assert_eq!(read(&mut *reader, 1).await, [(7, "record 7".to_owned())]);
    // Nothing comes after these, and still they are reported.
    other.forget(&[(0, 10)]).await.unwrap();
    reader.seek(0);
    let last = reader.next_batch(1, 1, Duration::from_secs(30)).await.unwrap();
    assert_eq!(last, [Entry::Damaged { offsets: 2..10 }]);
    append(&log, &numbered(10..11)).await.unwrap();
    assert_eq!(read(&mut *reader, 1).await, [(10, "record 10".to_owned())]);
}
