use std::collections::BTreeMap;

use suanpan_log::LogError;

use crate::fixture::{Fixture, append, append_numbers, read, read_texts, subscribe};

/// A key's records are in the partition that the key names, in the order in which they were appended.
pub async fn keys_keep_their_partition_and_order<F: Fixture>() {
    let fixture = F::make(3).await;
    let log = fixture.open().await;
    assert_eq!(log.partitions(), 3);
    for round in 0..4_u64 {
        let texts: Vec<(u64, String)> = (0..9).map(|key| (key, format!("{key}/{round}"))).collect();
        append(log.as_ref(), &texts.iter().map(|(key, text)| (*key, text.as_str())).collect::<Vec<_>>())
            .await;
    }
    let (_subscription, mut readers) = subscribe(log.as_ref()).await;
    for (partition, reader) in (0..).zip(&mut readers) {
        assert_eq!(reader.partition(), partition);
        let texts = read_texts(reader.as_mut(), 12).await;
        let mut rounds: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for text in texts {
            let (key, round) = text.split_once('/').unwrap();
            rounds.entry(key.parse().unwrap()).or_default().push(round.parse().unwrap());
        }
        let keys: Vec<u64> = rounds.keys().copied().collect();
        let partition = u64::from(partition);
        assert_eq!(keys, [partition, partition + 3, partition + 6]);
        assert!(rounds.values().all(|rounds| *rounds == [0, 1, 2, 3]), "{rounds:?}");
    }
    log.close().await;
}

/// What was acknowledged is there after the process died at once, and offsets go on behind it.
pub async fn acknowledged_records_outlive_the_process<F: Fixture>() {
    let mut fixture = F::make(2).await;
    let log = fixture.open().await;
    append(log.as_ref(), &[(0, "a"), (1, "b"), (0, "c")]).await;
    let ends = |positions: Vec<suanpan_log::PartitionPosition>| {
        positions.into_iter().map(|position| (position.epoch, position.end_offset)).collect::<Vec<_>>()
    };
    let before = ends(log.positions().await.unwrap());
    fixture.crash(log).await;

    let log = fixture.open().await;
    assert_eq!(ends(log.positions().await.unwrap()), before, "the same log, up to its durable end");
    append(log.as_ref(), &[(0, "d"), (1, "e")]).await;
    let mut zero = log.look(0, before[0].1 - 2).await.unwrap();
    let expected = [(0, "a"), (1, "c"), (2, "d")].map(|(offset, text)| (offset, text.to_owned()));
    assert_eq!(read(zero.as_mut(), 3).await, expected);
    let mut one = log.look(1, 0).await.unwrap();
    assert_eq!(read_texts(one.as_mut(), 2).await, ["b", "e"]);
    log.close().await;
}

/// An empty append is nothing; so are records that hold nothing, but for their offsets.
pub async fn empty_batches_and_empty_records_are_fine<F: Fixture>() {
    let fixture = F::make(1).await;
    let log = fixture.open().await;
    log.append(log.batch()).await.unwrap();
    assert_eq!(log.positions().await.unwrap()[0].end_offset, 0);
    append(log.as_ref(), &[(7, ""), (8, "text"), (9, "")]).await;
    let mut reader = log.look(0, 0).await.unwrap();
    assert_eq!(read_texts(reader.as_mut(), 3).await, ["", "text", ""]);
    log.close().await;
}

/// What will never be taken is refused by name, and leaves nothing behind.
pub async fn too_large_records_and_batches_are_refused<F: Fixture>() {
    let fixture = F::make(2).await;
    let log = fixture.open().await;
    let longest = fixture.record_bytes_max();
    let mut batch = log.batch();
    batch.push(0, b"fits");
    batch.push(1, &vec![b'x'; longest + 1]);
    let error = log.append(batch).await.unwrap_err();
    assert!(matches!(error, LogError::RecordTooLarge { limit, .. } if limit == longest), "{error}");
    let (records, bytes) = fixture.batch_too_large();
    let mut batch = log.batch();
    (0..records).for_each(|_| batch.push(0, &vec![b'x'; bytes]));
    let error = log.append(batch).await.unwrap_err();
    assert!(matches!(error, LogError::BatchTooLarge { .. }), "{error}");
    assert!(log.positions().await.unwrap().iter().all(|position| position.end_offset == 0));

    let mut batch = log.batch();
    batch.push(0, &vec![b'x'; longest]);
    log.append(batch).await.unwrap();
    let mut reader = log.look(0, 0).await.unwrap();
    assert_eq!(read_texts(reader.as_mut(), 1).await[0].len(), longest);
    log.close().await;
}

/// After the close nothing is taken; a reader reads what is there and then learns of the end.
pub async fn a_closed_log_takes_nothing_and_is_read_to_its_end<F: Fixture>() {
    let fixture = F::make(1).await;
    let log = fixture.open().await;
    append_numbers(log.as_ref(), 0, 0..3).await;
    let mut reader = log.look(0, 0).await.unwrap();
    assert_eq!(read_texts(reader.as_mut(), 1).await, ["0"]);
    log.close().await;
    let mut batch = log.batch();
    batch.push(0, b"late");
    let error = log.append(batch).await.unwrap_err();
    assert!(matches!(error, LogError::Closed), "{error}");
    assert_eq!(read_texts(reader.as_mut(), 2).await, ["1", "2"]);
    let end = reader.next_batch(1, 1, std::time::Duration::from_secs(3600)).await;
    assert!(matches!(end, Err(LogError::Closed)), "{end:?}");
    drop(log);
    let log = fixture.open().await;
    assert_eq!(log.positions().await.unwrap()[0].end_offset, 3);
    log.close().await;
}

/// A log made anew is another log: its offsets begin again, under another epoch.
pub async fn a_log_made_anew_has_another_epoch<F: Fixture>() {
    let mut fixture = F::make(2).await;
    let log = fixture.open().await;
    append(log.as_ref(), &[(0, "old"), (1, "old")]).await;
    let old: Vec<u64> = log.positions().await.unwrap().iter().map(|position| position.epoch).collect();
    log.close().await;
    drop(log);
    fixture.make_anew().await;
    let log = fixture.open().await;
    let anew = log.positions().await.unwrap();
    for position in anew {
        assert_ne!(position.epoch, 0);
        assert!(!old.contains(&position.epoch));
        assert_eq!((position.first_offset, position.committed, position.end_offset), (0, 0, 0));
    }
    log.close().await;
}
