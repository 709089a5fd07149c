use std::sync::Arc;
use std::time::{Duration, Instant};

use suanpan_log::{Entry, EventLog, KafkaConfig, KafkaLog, LogError, PartitionReader, Subscription};
use suanpan_parts::Kafka;

/// No wait of these tests is longer.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A topic and a group of their own, at these brokers.
pub fn config(kafka: &Kafka, partitions: u32) -> KafkaConfig {
    KafkaConfig {
        brokers: kafka.bootstrap(),
        topic: format!("events-{:016x}", rand::random::<u64>()),
        group: format!("group-{:016x}", rand::random::<u64>()),
        partitions,
        replication: u16::from(kafka.nodes()),
        in_sync_min: u16::from(kafka.nodes() / 2 + 1),
        session_timeout_ms: 2_000,
        handover_ms: 5_000,
        ..KafkaConfig::default()
    }
}

pub async fn open(config: &KafkaConfig) -> Arc<KafkaLog> {
    Arc::new(KafkaLog::open(config.clone()).await.unwrap())
}

/// Appends these records, `(key, text)`.
pub async fn append(log: &KafkaLog, records: &[(u64, String)]) -> Result<(), LogError> {
    let mut batch = log.batch();
    for (key, text) in records {
        batch.push(*key, text.as_bytes());
    }
    log.append(batch).await
}

/// Records with their number as key and text.
pub fn numbered(numbers: std::ops::Range<u64>) -> Vec<(u64, String)> {
    numbers.map(|number| (number, format!("record {number}"))).collect()
}

pub async fn given(subscription: &mut Box<dyn Subscription>) -> Box<dyn PartitionReader> {
    tokio::time::timeout(LIMIT, subscription.next()).await.expect("a partition is given").unwrap()
}

/// Reads this many records, and fails if any offset is missing.
pub async fn read(reader: &mut dyn PartitionReader, records: usize) -> Vec<(u64, String)> {
    let mut read = Vec::new();
    let deadline = Instant::now() + LIMIT;
    while read.len() < records {
        assert!(Instant::now() < deadline, "only {} of {records} records came", read.len());
        let left = records - read.len();
        match reader.next_batch(left, usize::MAX, Duration::from_millis(500)).await {
            Ok(entries) => read.extend(entries.into_iter().map(text)),
            Err(LogError::Unavailable { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    read
}

pub fn text(entry: Entry) -> (u64, String) {
    match entry {
        Entry::Record { offset, payload } => (offset, String::from_utf8(payload.to_vec()).unwrap()),
        Entry::Damaged { offsets } => panic!("{offsets:?} are lost"),
    }
}

/// Tries until it succeeds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut attempt: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = attempt().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
