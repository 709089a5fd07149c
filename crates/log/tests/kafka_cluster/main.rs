//! Three brokers, of which some die while records are appended. Too slow to run with all tests:
//! `make test-cluster` runs it, one test after the other.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::metadata::Metadata;
use suanpan_log::{Entry, EventLog, KafkaConfig, KafkaLog, LogError};
use suanpan_parts::Kafka;
use tokio::task::block_in_place;

const WRITERS: u64 = 4;
const APPENDS: u64 = 400;
const RECORDS: u64 = 20;
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn of_three_brokers_one_may_die_at_a_time() {
    let kafka = block_in_place(|| Kafka::start(3));
    let config = KafkaConfig {
        brokers: kafka.bootstrap(),
        partitions: 6,
        replication: 3,
        in_sync_min: 2,
        delivery_timeout_ms: 60_000,
        ..KafkaConfig::default()
    };
    let log = Arc::new(KafkaLog::open(config).await.unwrap());
    let writers: Vec<_> = (0..WRITERS).map(|writer| tokio::spawn(write(Arc::clone(&log), writer))).collect();
    for node in [1, 2, 3] {
        tokio::time::sleep(Duration::from_secs(1)).await;
        block_in_place(|| kafka.kill(node));
        tokio::time::sleep(Duration::from_secs(2)).await;
        block_in_place(|| {
            kafka.restart(node);
            in_sync(&kafka);
        });
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let times = read_all(&log).await;
    assert_eq!(times.len() as u64, WRITERS * APPENDS * RECORDS, "all that was acknowledged is there");
    assert!(times.values().all(|times| *times == 1), "and once");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_replicas_take_nothing() {
    let kafka = block_in_place(|| Kafka::start(3));
    let config = KafkaConfig {
        brokers: kafka.bootstrap(),
        partitions: 1,
        delivery_timeout_ms: 3_000,
        ..KafkaConfig::default()
    };
    let log = KafkaLog::open(config).await.unwrap();
    append(&log, "with three").await.unwrap();
    block_in_place(|| kafka.kill(2));
    until_taken(&log, "with two").await;
    block_in_place(|| kafka.kill(3));
    let alone = append(&log, "with one").await;
    assert!(matches!(alone, Err(LogError::Unavailable { .. })), "{alone:?}");
    block_in_place(|| kafka.restart(2));
    until_taken(&log, "with two again").await;
}

async fn write(log: Arc<KafkaLog>, writer: u64) {
    for append in 0..APPENDS {
        let mut batch = log.batch();
        for record in 0..RECORDS {
            let number = (writer * APPENDS + append) * RECORDS + record;
            batch.push(number, number.to_string().as_bytes());
        }
        log.append(batch).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn append(log: &KafkaLog, text: &str) -> Result<(), LogError> {
    let mut batch = log.batch();
    batch.push(0, text.as_bytes());
    log.append(batch).await
}

async fn until_taken(log: &KafkaLog, text: &str) {
    let deadline = Instant::now() + LIMIT;
    while let Err(error) = append(log, text).await {
        assert!(Instant::now() < deadline, "{text}: {error}");
    }
}

/// Waits until every broker has all records again. Were the next one killed before, partitions could be left without
/// a leader that has them, and wait for a human.
fn in_sync(kafka: &Kafka) {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", kafka.bootstrap()).set_log_level(RDKafkaLogLevel::Emerg);
    let consumer: BaseConsumer = client.create().unwrap();
    let whole = |metadata: Metadata| {
        let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        partitions.all(|partition| partition.isr().len() == 3)
    };
    let deadline = Instant::now() + LIMIT;
    while !consumer.fetch_metadata(None, Duration::from_secs(5)).is_ok_and(whole) {
        assert!(Instant::now() < deadline, "some replicas do not catch up");
        std::thread::sleep(Duration::from_millis(100));
    }
}

async fn read_all(log: &KafkaLog) -> BTreeMap<Vec<u8>, usize> {
    let mut times = BTreeMap::new();
    for partition in 0..log.partitions() {
        let mut look = log.look(partition, 0).await.unwrap();
        let end = look.position().await.unwrap().end_offset;
        let (mut next, deadline) = (0, Instant::now() + LIMIT);
        while next < end {
            assert!(Instant::now() < deadline, "partition {partition} is read to {next} of {end}");
            let Ok(entries) = look.next_batch(1000, usize::MAX, Duration::from_secs(1)).await else {
                continue;
            };
            for entry in entries {
                let Entry::Record { offset, payload } = entry else { panic!("{entry:?}") };
                assert_eq!(offset, next);
                next += 1;
                *times.entry(payload.to_vec()).or_default() += 1;
            }
        }
    }
    times
}
