//! The topic that is the log.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::RDKafkaLogLevel;
use suanpan_log::{EventLog, KafkaConfig, LogError};
use suanpan_parts::Kafka;

use crate::setup::{append, config, eventually, given, numbered, open, read};

fn admin(config: &KafkaConfig) -> AdminClient<DefaultClientContext> {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &config.brokers).set_log_level(RDKafkaLogLevel::Emerg);
    client.create().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_made_as_configured() {
    let mut config = config(Kafka::shared(), 3);
    config.retention_hours = 5;
    let log = open(&config).await;
    assert_eq!(log.positions().await.unwrap().len(), 3);
    let asked = [ResourceSpecifier::Topic(&config.topic)];
    let described = admin(&config).describe_configs(&asked, &AdminOptions::new()).await.unwrap();
    let settings = described[0].as_ref().unwrap().entry_map();
    let setting = |name: &str| settings[name].value.clone().unwrap();
    assert_eq!(setting("retention.ms"), "18000000");
    assert_eq!(setting("min.insync.replicas"), "1");
    assert_eq!(setting("cleanup.policy"), "delete");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_topic_keeps_its_partitions() {
    let mut config = config(Kafka::shared(), 3);
    let first = open(&config).await;
    append(&first, &numbered(0..9)).await.unwrap();
    config.partitions = 5;
    let log = open(&config).await;
    assert_eq!(log.partitions(), 3);
    append(&log, &numbered(9..12)).await.unwrap();
    let positions = log.positions().await.unwrap();
    assert_eq!(positions.iter().map(|position| position.end_offset).collect::<Vec<_>>(), [4, 4, 4]);
    assert_eq!(positions, first.positions().await.unwrap());
}

/// Rows of the old topic must not pass for rows of the new one, also for those who had it open.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_anew_under_open_readers_has_another_epoch() {
    let config = config(Kafka::shared(), 1);
    let log = open(&config).await;
    append(&log, &numbered(0..10)).await.unwrap();
    let mut subscription = log.subscribe().await.unwrap();
    let mut old = given(&mut subscription).await;
    assert_eq!(read(&mut *old, 10).await.len(), 10);
    let deleted = admin(&config).delete_topics(&[&config.topic], &AdminOptions::new()).await.unwrap();
    assert!(deleted[0].is_ok(), "{deleted:?}");
    // Either the log makes it anew, or we do.
    let other = open(&config).await;
    let epoch = eventually("the topic is there again", || async {
        let position = other.positions().await.ok()?[0];
        (position.epoch != old.epoch()).then_some(position.epoch)
    })
    .await;
    let mut new = given(&mut subscription).await;
    assert_eq!(new.epoch(), epoch);
    assert!(*old.revoked().borrow());
    let answer = old.decide(0..1).await;
    assert!(matches!(answer, Err(LogError::Revoked { .. })), "{answer:?}");
    eventually("records are taken again", || async { append(&log, &numbered(50..51)).await.ok() }).await;
    new.seek(0);
    assert_eq!(read(&mut *new, 1).await, [(0, "record 50".to_owned())]);
}
