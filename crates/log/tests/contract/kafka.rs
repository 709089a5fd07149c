use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::RDKafkaLogLevel;
use suanpan_log::{EventLog, KafkaConfig, KafkaLog};
use suanpan_parts::Kafka;

use crate::fixture::{Fixture, LIMIT};

/// A topic of a real broker, which all tests share.
pub struct Topic(KafkaConfig);

const RECORD_BYTES_MAX: usize = 4000;

impl Fixture for Topic {
    async fn make(partitions: u32) -> Self {
        let name = format!("{:016x}", rand::random::<u64>());
        Self(KafkaConfig {
            brokers: Kafka::shared().bootstrap(),
            topic: format!("contract-{name}"),
            group: format!("contract-{name}"),
            partitions,
            replication: 1,
            in_sync_min: 1,
            record_bytes_max: RECORD_BYTES_MAX,
            queue_bytes_max: 20_000,
            session_timeout_ms: 6_000,
            ..KafkaConfig::default()
        })
    }

    async fn open(&self) -> Arc<dyn EventLog> {
        let log = KafkaLog::open(self.0.clone()).await.unwrap();
        let deadline = Instant::now() + LIMIT;
        while let Err(error) = log.positions().await {
            assert!(Instant::now() < deadline, "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Arc::new(log)
    }

    /// Dropped, not closed. That a process which is killed leaves nothing else behind is tried in `kafka_member`.
    async fn crash(&mut self, log: Arc<dyn EventLog>) {
        drop(log);
    }

    async fn make_anew(&mut self) {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.0.brokers).set_log_level(RDKafkaLogLevel::Emerg);
        let admin: AdminClient<DefaultClientContext> = client.create().unwrap();
        let deleted = admin.delete_topics(&[&self.0.topic], &AdminOptions::new()).await.unwrap();
        assert!(deleted[0].is_ok(), "{deleted:?}");
    }

    fn record_bytes_max(&self) -> usize {
        RECORD_BYTES_MAX
    }

    fn batch_too_large(&self) -> (usize, usize) {
        (6, 3500)
    }
}

crate::contract!(Topic, 3);
