//! The settings of the log: in this process, or in Kafka.

use anyhow::{Context as _, bail, ensure};
use suanpan_log::Compression;

use super::LogKind;
use super::setting::{Kind, Setting, choice, number, text, whole_number};
use super::settings::{GIB, KIB, MIB, TIB};

const KINDS: &[&str] = &["embedded", "kafka"];
const COMPRESSIONS: &[(&str, Compression)] =
    &[("none", Compression::None), ("lz4", Compression::Lz4), ("zstd", Compression::Zstd)];

/// The log.
pub(super) const LOG: &[Setting] = &[
    Setting {
        key: "log.kind",
        doc: "Where acknowledged events wait: in files of this process, or in Kafka, which several processes share.",
        unit: "",
        kind: Kind::Choice(KINDS),
        get: |config| KINDS[config.log_kind as usize].to_owned(),
        set: |config, text| {
            let is_kafka = choice(text, KINDS)? == "kafka";
            config.log_kind = if is_kafka { LogKind::Kafka } else { LogKind::Embedded };
            Ok(())
        },
    },
    number!(
        "log.partitions",
        log.partitions,
        "partitions",
        1,
        64,
        "Partitions of the embedded log. A changed number holds from the first start at which everything is stored."
    ),
    number!(
        "log.segment_bytes_max",
        log.segment_bytes_max,
        "bytes",
        MIB,
        4 * GIB,
        "One segment file of the log."
    ),
    number!(
        "log.bytes_max",
        log.log_bytes_max,
        "bytes",
        4 * MIB,
        1024 * TIB,
        "The whole log on disk; over it reports get 503 until events are stored."
    ),
    number!(
        "log.disk_free_bytes_min",
        log.disk_free_bytes_min,
        "bytes",
        0,
        TIB,
        "Below so much free space on the log's disk reports get 503 until there is more; 0 does not look."
    ),
    number!(
        "log.append_queue_records_max",
        log.append_queue_records_max,
        "records",
        1,
        100_000_000,
        "Records that may wait to be written; over it reports get 503."
    ),
    number!(
        "log.append_queue_bytes_max",
        log.append_queue_bytes_max,
        "bytes",
        MIB,
        64 * GIB,
        "Bytes of records that may wait to be written."
    ),
    number!(
        "log.committed_kept_hours",
        log.committed_kept_hours,
        "hours",
        0,
        87_600,
        "Segments are kept this long after their events are stored, to be looked into."
    ),
    number!(
        "log.committed_bytes_kept_max",
        log.committed_bytes_kept_max,
        "bytes",
        0,
        1024 * TIB,
        "And up to so many bytes of each partition."
    ),
    text!(
        "log.kafka.brokers",
        kafka.brokers,
        "addresses",
        "Kafka's brokers, such as `kafka-1:9092,kafka-2:9092`."
    ),
    text!("log.kafka.topic", kafka.topic, "name", "The topic; made if it is missing."),
    text!("log.kafka.group", kafka.group, "name", "The consumer group of all pipelines."),
    number!(
        "log.kafka.partitions",
        kafka.partitions,
        "partitions",
        1,
        4096,
        "Partitions of a topic that is made. Choose a multiple of the warehouse's shards."
    ),
    number!(
        "log.kafka.replication",
        kafka.replication,
        "brokers",
        1,
        9,
        "Copies of each record of a topic that is made."
    ),
    number!(
        "log.kafka.in_sync_min",
        kafka.in_sync_min,
        "brokers",
        1,
        9,
        "Copies that must be written before an event is acknowledged (`min.insync.replicas` of a topic that is made)."
    ),
    number!(
        "log.kafka.retention_hours",
        kafka.retention_hours,
        "hours",
        1,
        87_600,
        "How long a topic that is made keeps records, stored or not."
    ),
    number!(
        "log.kafka.record_bytes_max",
        kafka.record_bytes_max,
        "bytes",
        KIB,
        64 * MIB,
        "Bytes of one record."
    ),
    number!(
        "log.kafka.queue_records_max",
        kafka.queue_records_max,
        "records",
        1,
        10_000_000,
        "Records sent and not acknowledged by the brokers; over it reports get 503."
    ),
    number!(
        "log.kafka.queue_bytes_max",
        kafka.queue_bytes_max,
        "bytes",
        MIB,
        2 * GIB,
        "Bytes of records sent and not acknowledged."
    ),
    number!(
        "log.kafka.delivery_timeout_ms",
        kafka.delivery_timeout_ms,
        "ms",
        1_000,
        300_000,
        "How long the brokers have to acknowledge; after it reports get 503."
    ),
    number!(
        "log.kafka.linger_ms",
        kafka.linger_ms,
        "ms",
        0,
        1_000,
        "How long a record waits for others to share a request."
    ),
    Setting {
        key: "log.kafka.compression",
        doc: "How records are packed on their way and in the topic.",
        unit: "",
        kind: Kind::Choice(&["none", "lz4", "zstd"]),
        get: |config| {
            let named = COMPRESSIONS.iter().find(|(_, known)| *known == config.kafka.compression);
            named.map_or_else(String::new, |(name, _)| (*name).to_owned())
        },
        set: |config, text| {
            let named = COMPRESSIONS.iter().find(|(name, _)| *name == text);
            config.kafka.compression = named.context("it is none, lz4 or zstd")?.1;
            Ok(())
        },
    },
    number!(
        "log.kafka.session_timeout_ms",
        kafka.session_timeout_ms,
        "ms",
        1_000,
        300_000,
        "A pipeline that is silent for so long loses its partitions to others."
    ),
    number!(
        "log.kafka.handover_ms",
        kafka.handover_ms,
        "ms",
        100,
        120_000,
        "How long a pipeline may finish a batch of a partition that goes to another one."
    ),
    Setting {
        key: "log.kafka.properties",
        doc: "Settings of librdkafka for TLS and SASL: `name=value`, separated by `;`. For example \
              `security.protocol=SASL_SSL;sasl.mechanisms=SCRAM-SHA-512;sasl.username=suanpan;sasl.password=…`.",
        unit: "",
        kind: Kind::Secret,
        get: |_| String::new(),
        set: |config, text| {
            config.kafka.properties.clear();
            for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
                // The value may be a secret, so it is not repeated.
                let Some((name, value)) = pair.split_once('=') else {
                    bail!("a property is written as name=value, and properties are separated by ;");
                };
                ensure!(!name.trim().is_empty(), "a property has no name");
                config.kafka.properties.insert(name.trim().to_owned(), value.trim().to_owned());
            }
            Ok(())
        },
    },
];
