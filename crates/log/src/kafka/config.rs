use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::LogError;

/// How records are packed on their way and in the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// Fast: the default.
    Lz4,
    /// Smaller, for more work.
    Zstd,
}

impl Compression {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// Which brokers and topic hold the log, and how much may be on its way to them.
///
/// What is said of a new topic holds when it is missing and made; an existing topic keeps what it has.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `host:port` of some brokers, with commas between. Default `127.0.0.1:9092`.
    pub brokers: String,
    /// The topic: 1 to 249 of `a-z A-Z 0-9 . _ -`. Default `suanpan-events`.
    pub topic: String,
    /// The consumer group that all pipelines form: 1 to 200 characters. Default `suanpan`.
    pub group: String,
    /// Partitions of a new topic, 1 to 4,096. Default 8. To change them later, let the pipelines read all first:
    /// events change their places.
    pub partitions: u32,
    /// Replicas of a new topic's partitions, 1 to 9. Default 3.
    pub replication: u16,
    /// Replicas that must have a record before it is acknowledged (`min.insync.replicas` of a new topic), 1 to
    /// `replication`. Default 2.
    pub in_sync_min: u16,
    /// Hours after which a new topic's records are deleted, read or not: 1 to 87,600. Default 168. Records that go
    /// before they were read are reported as [`crate::Entry::Damaged`].
    pub retention_hours: u64,
    /// Bytes of one record, 1 KiB to 16 MiB. Default 256 KiB.
    pub record_bytes_max: usize,
    /// Records that may be unacknowledged, 1 to 5,000,000. Default 100,000.
    pub queue_records_max: usize,
    /// Bytes of records that may be unacknowledged, `record_bytes_max` to 2 GiB. Default 64 MiB.
    pub queue_bytes_max: usize,
    /// Milliseconds until an append that is not acknowledged fails, 1,000 to 300,000. Default 10,000.
    pub delivery_timeout_ms: u64,
    /// Milliseconds that records wait for others to share a request, 0 to 1,000. Default 2.
    pub linger_ms: u64,
    /// Default [`Compression::Lz4`].
    pub compression: Compression,
    /// Milliseconds after which a process that was stopped or cut off loses its partitions, 1,000 to 300,000.
    /// Brokers have limits of their own, 6,000 to 1,800,000 if nobody changed them. Default 10,000.
    pub session_timeout_ms: u64,
    /// Milliseconds that a reader whose partition is taken away has to finish its batch, 100 to 120,000. Default
    /// 10,000.
    pub handover_ms: u64,
    /// More settings of librdkafka, by their names: how to reach the brokers (`security.protocol`, `sasl.*`,
    /// `ssl.*`, `socket.*`, …; [`Self::PASSED_ON`]). They hold secrets, so they are never printed.
    pub properties: BTreeMap<String, String>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            topic: "suanpan-events".to_owned(),
            group: "suanpan".to_owned(),
            partitions: 8,
            replication: 3,
            in_sync_min: 2,
            retention_hours: 168,
            record_bytes_max: 256 << 10,
            queue_records_max: 100_000,
            queue_bytes_max: 64 << 20,
            delivery_timeout_ms: 10_000,
            linger_ms: 2,
            compression: Compression::Lz4,
            session_timeout_ms: 10_000,
            handover_ms: 10_000,
            properties: BTreeMap::new(),
        }
    }
}

/// Room for what Kafka adds to a record and a batch.
const FRAME_BYTES: usize = 64 << 10;
/// A batch holds at least this much, however small its records must be.
const BATCH_BYTES: usize = 1 << 20;
/// What a partition's reader may have fetched ahead.
const AHEAD_BYTES: usize = 8 << 20;

impl KafkaConfig {
    /// How the settings begin that [`Self::properties`] may hold; all others are decided here.
    pub const PASSED_ON: [&str; 8] =
        ["security.", "sasl.", "ssl.", "enable.ssl.", "enable.sasl.", "https.", "socket.", "broker.address."];

    /// Says which setting is out of its limits.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        self.check_names()?;
        in_limits("partitions", self.partitions, 1, 4096)?;
        in_limits("replication", self.replication, 1, 9)?;
        in_limits("in_sync_min", self.in_sync_min, 1, self.replication)?;
        in_limits("retention_hours", self.retention_hours, 1, 87_600)?;
        in_limits("record_bytes_max", self.record_bytes_max, 1 << 10, 16 << 20)?;
        in_limits("queue_records_max", self.queue_records_max, 1, 5_000_000)?;
        in_limits("queue_bytes_max", self.queue_bytes_max, self.record_bytes_max, 2 << 30)?;
        in_limits("delivery_timeout_ms", self.delivery_timeout_ms, 1_000, 300_000)?;
        in_limits("linger_ms", self.linger_ms, 0, 1_000)?;
        in_limits("session_timeout_ms", self.session_timeout_ms, 1_000, 300_000)?;
        in_limits("handover_ms", self.handover_ms, 100, 120_000)?;
        match self.properties.keys().find(|name| !passed_on(name)) {
            Some(name) => {
                refuse("properties", format!("must not hold {name}: only {}", Self::PASSED_ON.join("* ")))
            }
            None => Ok(()),
        }
    }

    fn check_names(&self) -> Result<(), LogError> {
        let named = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        let topic = self.topic.as_str();
        if topic.is_empty() || topic.len() > 249 || matches!(topic, "." | "..") || !topic.chars().all(named) {
            return refuse("topic", "must be 1 to 249 of a-z A-Z 0-9 . _ -".to_owned());
        }
        if self.group.is_empty() || self.group.len() > 200 || self.group.chars().any(char::is_control) {
            return refuse("group", "must be 1 to 200 characters".to_owned());
        }
        if self.brokers.trim().is_empty() {
            return refuse("brokers", "must name at least one host:port".to_owned());
        }
        Ok(())
    }

    /// What a new topic is made with.
    pub(crate) fn topic_settings(&self) -> [(&'static str, String); 5] {
        [
            ("cleanup.policy", "delete".to_owned()),
            ("min.insync.replicas", self.in_sync_min.to_string()),
            ("retention.ms", (self.retention_hours * 3_600_000).to_string()),
            ("retention.bytes", "-1".to_owned()),
            ("max.message.bytes", (self.batch_bytes_max() + FRAME_BYTES).to_string()),
        ]
    }

    pub(crate) fn producer(&self) -> ClientConfig {
        let mut client = self.client();
        client
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.codec", self.compression.name())
            .set("linger.ms", self.linger_ms.to_string())
            .set("message.timeout.ms", self.delivery_timeout_ms.to_string())
            .set("message.max.bytes", self.batch_bytes_max().to_string())
            .set("batch.size", BATCH_BYTES.to_string())
            // Our own bound is counted before; these must not be met first.
            .set("queue.buffering.max.messages", (2 * self.queue_records_max).to_string())
            .set("queue.buffering.max.kbytes", (2 * self.queue_bytes_max / 1024 + 1024).to_string());
        client
    }

    /// For reading: a member of the group once it subscribes.
    pub(crate) fn consumer(&self) -> ClientConfig {
        let mut client = self.client();
        let ahead = AHEAD_BYTES.max(2 * self.record_bytes_max);
        client
            .set("group.id", &self.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Readers notice that they are elsewhere than they should be, and look into the cause. (Told to stop
            // instead, the library does not go on before the partition is assigned anew.)
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_uncommitted")
            .set("check.crcs", "true")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", self.session_timeout_ms.to_string())
            .set("heartbeat.interval.ms", (self.session_timeout_ms / 4).min(3_000).to_string())
            .set("max.poll.interval.ms", self.poll_interval_ms().to_string())
            .set("fetch.wait.max.ms", "500")
            .set("fetch.queue.backoff.ms", "20")
            .set("queued.max.messages.kbytes", (ahead / 1024).to_string());
        client
    }

    /// For asking; nothing of what it has to say is for people.
    pub(crate) fn observer(&self) -> ClientConfig {
        let mut client = self.consumer();
        client.set_log_level(RDKafkaLogLevel::Emerg);
        client
    }

    /// Within this a rebalance must be served: also the time that a handover may block it.
    fn poll_interval_ms(&self) -> u64 {
        self.session_timeout_ms + self.handover_ms + 60_000
    }

    fn batch_bytes_max(&self) -> usize {
        self.record_bytes_max.max(BATCH_BYTES) + FRAME_BYTES
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("socket.timeout.ms", "10000")
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "2000")
            .set_log_level(RDKafkaLogLevel::Warning);
        for (name, value) in &self.properties {
            client.set(name, value);
        }
        client.set("client.id", "suanpan").set("bootstrap.servers", &self.brokers);
        client
    }
}

fn passed_on(name: &str) -> bool {
    KafkaConfig::PASSED_ON.iter().any(|prefix| name.starts_with(prefix))
}

fn in_limits<T: PartialOrd + fmt::Display>(
    option: &'static str,
    value: T,
    from: T,
    to: T,
) -> Result<(), LogError> {
    if from <= value && value <= to {
        return Ok(());
    }
    refuse(option, format!("must be {from} to {to}, and is {value}"))
}

fn refuse(option: &'static str, rule: String) -> Result<(), LogError> {
    Err(LogError::Config { option, rule })
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("topic", &self.topic)
            .field("group", &self.group)
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut KafkaConfig), expected: Option<&str>) {
        let mut config = KafkaConfig::default();
        change(&mut config);
        let option = match config.check() {
            Ok(()) => None,
            Err(LogError::Config { option, .. }) => Some(option),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(option, expected);
    }

    #[test]
    fn what_is_out_of_limits_is_named() {
        check(|_| {}, None);
        check(|c| c.topic = "a b".into(), Some("topic"));
        check(|c| c.topic = "..".into(), Some("topic"));
        check(|c| c.group = String::new(), Some("group"));
        check(|c| c.brokers = " ".into(), Some("brokers"));
        check(|c| c.partitions = 0, Some("partitions"));
        check(|c| c.in_sync_min = 4, Some("in_sync_min"));
        check(|c| c.queue_bytes_max = 1000, Some("queue_bytes_max"));
        check(|c| c.session_timeout_ms = 999, Some("session_timeout_ms"));
        check(|c| drop(c.properties.insert("sasl.password".into(), "x".into())), None);
        check(|c| drop(c.properties.insert("enable.idempotence".into(), "false".into())), Some("properties"));
        check(|c| drop(c.properties.insert("ssl.ca.location".into(), "/ca".into())), None);
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut config = KafkaConfig::default();
        config.properties.insert("sasl.password".into(), "tell-nobody".into());
        assert!(!format!("{config:?}").contains("tell-nobody"));
    }

    #[test]
    fn librdkafka_knows_every_setting() {
        let config = KafkaConfig::default();
        for client in [config.producer(), config.consumer(), config.observer()] {
            client.create_native_config().unwrap();
        }
    }
}
