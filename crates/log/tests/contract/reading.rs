use std::time::Duration;

use suanpan_log::LogError;

use crate::fixture::{Fixture, append, append_numbers, read, read_texts, subscribe, subscribe_one, within};

/// The next owner goes on where the last one committed, and knows what it had decided, after a crash too.
pub async fn commits_and_decisions_outlive_the_process<F: Fixture>() {
    let mut fixture = F::make(1).await;
    let log = fixture.open().await;
    append_numbers(log.as_ref(), 0, 0..10).await;
    let (subscription, mut reader) = subscribe_one(log.as_ref()).await;
    assert_eq!(reader.decided(), None, "nothing was ever decided");
    reader.decide(0..4).await.unwrap();
    assert_eq!(read_texts(reader.as_mut(), 4).await, ["0", "1", "2", "3"]);
    reader.commit(4).await.unwrap();
    reader.decide(4..9).await.unwrap();
    drop((reader, subscription));
    fixture.crash(log).await;

    let log = fixture.open().await;
    let (subscription, mut reader) = subscribe_one(log.as_ref()).await;
    assert_eq!(reader.decided(), Some(4..9));
    let position = reader.position().await.unwrap();
    assert_eq!((position.committed, position.lag()), (4, 6));
    assert_eq!(read(reader.as_mut(), 1).await, [(4, "4".to_owned())], "a reader begins at the commit");
    // A shorter batch may be decided instead, when the store says so; the newest decision counts.
    reader.decide(4..6).await.unwrap();
    drop((reader, subscription));
    log.close().await;
    drop(log);

    let log = fixture.open().await;
    let (subscription, mut reader) = subscribe_one(log.as_ref()).await;
    assert_eq!(reader.decided(), Some(4..6));
    reader.commit(10).await.unwrap();
    drop((reader, subscription));
    log.close().await;
    drop(log);

    let log = fixture.open().await;
    let position = log.positions().await.unwrap()[0];
    assert_eq!((position.committed, position.end_offset, position.lag()), (10, 10, 0));
    log.close().await;
}

/// A commit never goes back, and never beyond the end.
pub async fn commits_only_rise<F: Fixture>() {
    let fixture = F::make(1).await;
    let log = fixture.open().await;
    append_numbers(log.as_ref(), 0, 0..5).await;
    let (subscription, mut reader) = subscribe_one(log.as_ref()).await;
    for (next_offset, expected) in [(3, 3), (1, 3), (3, 3), (4, 4), (0, 4)] {
        reader.commit(next_offset).await.unwrap();
        assert_eq!(reader.position().await.unwrap().committed, expected);
        assert_eq!(log.positions().await.unwrap()[0].committed, expected);
    }
    let error = reader.commit(6).await.unwrap_err();
    assert!(matches!(error, LogError::CommitBeyondEnd { asked: 6, end: 5 }), "{error}");
    assert_eq!(reader.position().await.unwrap().committed, 4);
    drop((reader, subscription));
    log.close().await;
}

/// A reader goes to any offset between the oldest and the end, forwards and backwards.
pub async fn a_reader_seeks<F: Fixture>() {
    let fixture = F::make(1).await;
    let log = fixture.open().await;
    for first in [0, 500, 1000, 1500] {
        append_numbers(log.as_ref(), 0, first..first + 500).await;
    }
    let (subscription, mut reader) = subscribe_one(log.as_ref()).await;
    for offset in [1500, 0, 1999, 700, 701, 3] {
        reader.seek(offset);
        assert_eq!(read(reader.as_mut(), 1).await, [(offset, offset.to_string())]);
    }
    reader.seek(2000);
    assert!(reader.next_batch(10, 1000, Duration::ZERO).await.unwrap().is_empty(), "there is nothing yet");
    append(log.as_ref(), &[(0, "new")]).await;
    assert_eq!(read(reader.as_mut(), 1).await, [(2000, "new".to_owned())]);
    drop((reader, subscription));
    log.close().await;
}

/// A batch is as small as it was asked for, and a reader at the end waits for what comes.
pub async fn reading_is_bounded_and_waits<F: Fixture>() {
    let fixture = F::make(1).await;
    let log = fixture.open().await;
    append(log.as_ref(), &[(0, "aaaa"), (0, "bbbb"), (0, "cccc"), (0, "dddd")]).await;
    let mut reader = log.look(0, 0).await.unwrap();
    let wait = Duration::from_secs(3600);
    let mut next = async |records, bytes| {
        within("a record", reader.next_batch(records, bytes, wait)).await.unwrap().len()
    };
    assert_eq!(next(1, 1000).await, 1);
    assert_eq!(next(100, 1).await, 1, "the entry that reaches the bound is the last");
    let rest = next(100, 1000).await;
    assert!((1..=2).contains(&rest));
    let rest = if rest == 1 { next(100, 1000).await } else { 1 };
    assert_eq!(rest, 1);
    let waiting = tokio::spawn(async move {
        let entries = reader.next_batch(100, 1000, wait).await.unwrap();
        entries.len()
    });
    tokio::task::yield_now().await;
    append(log.as_ref(), &[(0, "eeee")]).await;
    assert_eq!(within("the new record", waiting).await.unwrap(), 1);
    log.close().await;
}

/// Who looks sees all that is kept, commits nothing, and takes nothing from the pipeline.
pub async fn looking_disturbs_nobody<F: Fixture>() {
    let fixture = F::make(2).await;
    let log = fixture.open().await;
    append_numbers(log.as_ref(), 1, 0..4).await;
    let (subscription, mut readers) = subscribe(log.as_ref()).await;
    assert_eq!(read_texts(readers[1].as_mut(), 2).await, ["0", "1"]);
    readers[1].commit(2).await.unwrap();
    let mut look = log.look(1, 0).await.unwrap();
    assert_eq!((look.partition(), look.epoch()), (1, readers[1].epoch()));
    assert_eq!(read_texts(look.as_mut(), 4).await, ["0", "1", "2", "3"]);
    assert_eq!(read_texts(readers[1].as_mut(), 2).await, ["2", "3"]);
    assert_eq!(log.positions().await.unwrap()[1].committed, 2);
    assert!(!*readers[1].revoked().borrow());
    let error = log.look(2, 0).await.err().unwrap();
    assert!(matches!(error, LogError::UnknownPartition { partition: 2 }), "{error}");
    drop((readers, subscription));
    log.close().await;
}

/// Each partition says where it stands.
pub async fn positions_tell_every_partition<F: Fixture>() {
    let fixture = F::make(3).await;
    let log = fixture.open().await;
    append_numbers(log.as_ref(), 1, 0..5).await;
    let (subscription, mut readers) = subscribe(log.as_ref()).await;
    readers[1].commit(3).await.unwrap();
    let positions = log.positions().await.unwrap();
    let seen = |position: &suanpan_log::PartitionPosition| {
        (position.partition, position.first_offset, position.committed, position.end_offset, position.lag())
    };
    let found: Vec<_> = positions.iter().map(seen).collect();
    assert_eq!(found, [(0, 0, 0, 0, 0), (1, 0, 3, 5, 2), (2, 0, 0, 0, 0)]);
    for (position, reader) in positions.iter().zip(&readers) {
        assert_eq!(position.epoch, reader.epoch());
        assert_eq!(seen(&reader.position().await.unwrap()), seen(position));
    }
    drop((readers, subscription));
    log.close().await;
}

/// A reader that is dropped is given again, and goes on at the commit; so is a subscription.
pub async fn what_is_dropped_is_given_again<F: Fixture>() {
    let fixture = F::make(2).await;
    let log = fixture.open().await;
    append_numbers(log.as_ref(), 0, 0..4).await;
    let (mut subscription, mut readers) = subscribe(log.as_ref()).await;
    assert_eq!(read_texts(readers[0].as_mut(), 3).await, ["0", "1", "2"]);
    readers[0].commit(1).await.unwrap();
    drop(readers.remove(0));
    let mut again = within("the partition", subscription.next()).await.unwrap();
    assert_eq!((again.partition(), *again.revoked().borrow()), (0, false));
    assert_eq!(read_texts(again.as_mut(), 3).await, ["1", "2", "3"]);
    drop((again, readers, subscription));
    let (subscription, mut readers) = subscribe(log.as_ref()).await;
    assert_eq!(read_texts(readers[0].as_mut(), 3).await, ["1", "2", "3"]);
    drop((readers, subscription));
    log.close().await;
}

/// Records are deleted where they are committed, and nothing else is.
pub async fn what_is_forgotten_is_gone<F: Fixture>() {
    let fixture = F::make(2).await;
    let log = fixture.open().await;
    append_numbers(log.as_ref(), 0, 0..10).await;
    append_numbers(log.as_ref(), 1, 0..3).await;
    let (subscription, mut readers) = subscribe(log.as_ref()).await;
    readers[0].commit(6).await.unwrap();
    let error = log.forget(&[(1, 0), (0, 7)]).await.unwrap_err();
    assert!(matches!(error, LogError::NotCommitted { partition: 0, asked: 7, committed: 6 }), "{error}");
    log.forget(&[(1, 0), (0, 4)]).await.unwrap();
    let positions = log.positions().await.unwrap();
    assert_eq!((positions[0].first_offset, positions[0].committed, positions[0].end_offset), (4, 6, 10));
    assert_eq!((positions[1].first_offset, positions[1].end_offset), (0, 3));
    let mut look = log.look(0, 0).await.unwrap();
    // What is gone was committed: it is passed over without a word.
    let left: Vec<(u64, String)> = (4..10).map(|offset| (offset, offset.to_string())).collect();
    assert_eq!(read(look.as_mut(), 6).await, left);
    assert_eq!(read_texts(readers[1].as_mut(), 3).await, ["0", "1", "2"]);
    log.forget(&[(0, 2)]).await.unwrap();
    readers[0].commit(10).await.unwrap();
    log.forget(&[(0, 10)]).await.unwrap();
    let position = log.positions().await.unwrap()[0];
    assert_eq!((position.first_offset, position.end_offset), (10, 10));
    append(log.as_ref(), &[(0, "goes on")]).await;
    let mut look = log.look(0, 10).await.unwrap();
    assert_eq!(read(look.as_mut(), 1).await, [(10, "goes on".to_owned())]);
    drop((readers, subscription));
    log.close().await;
    drop(log);
    let log = fixture.open().await;
    let position = log.positions().await.unwrap()[0];
    assert_eq!((position.first_offset, position.committed, position.end_offset), (10, 10, 11));
    log.close().await;
}

/// Once the log is closed, a subscription has nothing more to give.
pub async fn a_closed_log_gives_no_partitions<F: Fixture>() {
    let fixture = F::make(1).await;
    let log = fixture.open().await;
    let (mut subscription, reader) = subscribe_one(log.as_ref()).await;
    log.close().await;
    drop(reader);
    let end = within("the end", subscription.next()).await;
    assert!(matches!(end, Err(LogError::Closed)));
}
