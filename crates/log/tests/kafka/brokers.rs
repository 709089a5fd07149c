//! Brokers that die, stop, and come back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use suanpan_log::{EventLog, KafkaLog, LogError};
use suanpan_parts::Kafka;

use crate::setup::{append, config, eventually, given, numbered, open, read, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_while_records_come_loses_and_doubles_none() {
    let kafka = Kafka::start(1);
    let mut config = config(&kafka, 2);
    // Longer than the broker is away, so that one producer's retries are all there is.
    config.delivery_timeout_ms = 60_000;
    let log = open(&config).await;
    let appends: Vec<_> = (0..6)
        .map(|writer| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                for round in 0..40 {
                    let from = (writer * 40 + round) * 10;
                    append(&log, &numbered(from..from + 10)).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    tokio::task::block_in_place(|| {
        kafka.kill(1);
        kafka.restart(1);
    });
    for append in appends {
        append.await.unwrap();
    }
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for partition in 0..2 {
        let mut look = log.look(partition, 0).await.unwrap();
        let end = look.position().await.unwrap().end_offset;
        let mut next = 0;
        while next < end {
            for entry in look.next_batch(1000, usize::MAX, Duration::from_millis(200)).await.unwrap() {
                let (offset, text) = text(entry);
                assert_eq!(offset, next);
                next += 1;
                *times.entry(text).or_default() += 1;
            }
        }
    }
    assert_eq!(times.len(), 2400, "all that was acknowledged is there");
    assert!(times.values().all(|times| *times == 1), "and once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_brokers_refuses_within_bounds_and_heals() {
    let kafka = Kafka::start(1);
    let mut config = config(&kafka, 1);
    config.delivery_timeout_ms = 1_000;
    config.queue_records_max = 20;
    tokio::task::block_in_place(|| kafka.kill(1));
    // It starts all the same, and says what is wrong.
    let log = open(&config).await;
    assert_eq!(log.partitions(), 1);
    unavailable(append(&log, &numbered(0..1)).await);
    unavailable(log.positions().await);
    tokio::task::block_in_place(|| kafka.restart(1));
    appends_again(&log).await;
    let mut subscription = log.subscribe().await.unwrap();
    let mut reader = given(&mut subscription).await;
    assert_eq!(read(&mut *reader, 1).await[0].0, 0);
    reader.decide(0..1).await.unwrap();

    tokio::task::block_in_place(|| kafka.kill(1));
    // They are asked in this order: two fill the queue, and the third is refused at once.
    let (tens, more, last) = (numbered(0..10), numbered(10..20), numbered(20..21));
    let (first, second, third) = tokio::join!(append(&log, &tens), append(&log, &more), append(&log, &last));
    assert!(matches!(third, Err(LogError::Overloaded { records: 20, .. })), "{third:?}");
    unavailable(first);
    unavailable(second);
    // By now the session may be over as well.
    let commit = reader.commit(1).await;
    assert!(matches!(commit, Err(LogError::Unavailable { .. } | LogError::Revoked { .. })), "{commit:?}");
    tokio::task::block_in_place(|| kafka.restart(1));
    appends_again(&log).await;
    // The reader goes on, or the partition is given again.
    let mut reader = Some(reader);
    loop {
        let mut now = match reader.take() {
            Some(reader) => reader,
            None => given(&mut subscription).await,
        };
        match now.commit(1).await {
            Ok(()) => {
                reader = Some(now);
                break;
            }
            Err(LogError::Revoked { .. }) => {}
            Err(LogError::Unavailable { .. }) => reader = Some(now),
            Err(other) => panic!("{other}"),
        }
    }
    let mut reader = reader.unwrap();
    reader.seek(1);
    assert_eq!(read(&mut *reader, 1).await[0].0, 1);
}

fn unavailable<T: std::fmt::Debug>(answer: Result<T, LogError>) {
    assert!(matches!(answer, Err(LogError::Unavailable { .. })), "{answer:?}");
}

async fn appends_again(log: &KafkaLog) {
    eventually("the log takes records again", || async { append(log, &numbered(0..1)).await.ok() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_broker_takes_those_with_its_certificate_and_password() {
    let kafka = Kafka::start_guarded();
    let mut config = config(&kafka, 1);
    config.delivery_timeout_ms = 2_000;
    config.properties = kafka.client_settings().into_iter().collect();
    let log = open(&config).await;
    append(&log, &numbered(0..3)).await.unwrap();
    let mut subscription = log.subscribe().await.unwrap();
    let mut reader = given(&mut subscription).await;
    assert_eq!(read(&mut *reader, 3).await.len(), 3);

    config.properties.insert("sasl.password".to_owned(), "another".to_owned());
    let stranger = open(&config).await;
    unavailable(append(&stranger, &numbered(0..1)).await);
    assert_eq!(log.positions().await.unwrap()[0].end_offset, 3);
}
