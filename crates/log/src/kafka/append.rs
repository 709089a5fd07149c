use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::bounds::number;
use super::metrics;
use super::quiet::{said, unavailable};
use crate::{KafkaConfig, LogError, PartitionedBatch, RecordBatch};

/// On top of the time that the library itself takes to give up.
const REPORT_GRACE: Duration = Duration::from_secs(5);

type Producer = ThreadedProducer<Reports>;

/// Sends records, and waits for the reports of their delivery.
pub(super) struct Appender {
    config: KafkaConfig,
    room: Arc<Room>,
    /// Another one after an error that the library can't go on from.
    producer: Mutex<Arc<Producer>>,
}

impl Appender {
    pub fn new(config: &KafkaConfig) -> Result<Self, LogError> {
        let room = Room {
            records_max: config.queue_records_max,
            bytes_max: config.queue_bytes_max,
            held: Mutex::default(),
        };
        let producer = Mutex::new(Arc::new(produce(config)?));
        Ok(Self { config: config.clone(), room: Arc::new(room), producer })
    }

    /// Returns when all records are acknowledged, or one of them is not.
    pub async fn append(&self, batch: PartitionedBatch) -> Result<(), LogError> {
        if batch.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let (records, bytes) = self.sizes(&batch)?;
        let (done, reported) = oneshot::channel();
        let room = self.room.take(records, bytes)?;
        let delivery = Arc::new(Delivery {
            left: AtomicUsize::new(records),
            failure: OnceLock::new(),
            done: Mutex::new(Some(done)),
            _room: room,
        });
        let producer = self.producer();
        self.send_all(&producer, batch, records, &delivery);
        let limit = Duration::from_millis(self.config.delivery_timeout_ms) + REPORT_GRACE;
        let _late = timeout(limit, reported).await;
        let result = match delivery.failure.get() {
            Some(failure) => Err(failure.clone()),
            None if delivery.left.load(Ordering::Acquire) == 0 => Ok(()),
            None => Err(unavailable("no report of the delivery in time")),
        };
        match &result {
            Ok(()) => metrics::delivered(records, bytes, started.elapsed()),
            Err(_) => self.replace_if_broken(&producer),
        }
        result
    }

    /// Waits until everything that was sent is reported.
    pub async fn flush(&self) {
        let producer = self.producer();
        let limit = Duration::from_millis(self.config.delivery_timeout_ms) + REPORT_GRACE;
        let flushed = tokio::task::spawn_blocking(move || producer.flush(limit)).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "the log was closed before its brokers acknowledged all");
        }
    }

    fn sizes(&self, batch: &PartitionedBatch) -> Result<(usize, usize), LogError> {
        let (mut records, mut bytes) = (0, 0);
        for part in batch.parts() {
            if let Some(record) = part.iter().find(|record| record.len() > self.config.record_bytes_max) {
                let limit = self.config.record_bytes_max;
                return Err(LogError::RecordTooLarge { bytes: record.len(), limit });
            }
            records += part.len();
            bytes += part.payload_bytes();
        }
        let limits = [
            (records, self.config.queue_records_max, "queue_records_max"),
            (bytes, self.config.queue_bytes_max, "queue_bytes_max"),
        ];
        match limits.into_iter().find(|(size, limit, _)| size > limit) {
            Some((size, limit, option)) => {
                Err(LogError::BatchTooLarge { size: size as u64, option, limit: limit as u64 })
            }
            None => Ok((records, bytes)),
        }
    }

    /// Hands the records over up to the first that is not taken; it and those behind it are reported as failed.
    fn send_all(
        &self,
        producer: &Producer,
        batch: PartitionedBatch,
        records: usize,
        delivery: &Arc<Delivery>,
    ) {
        let mut taken = 0;
        for (partition, part) in batch.into_parts() {
            if let Err(refusal) = self.send(producer, (partition, &part), delivery, &mut taken) {
                let refusal = match refusal {
                    // That would say that nothing was kept.
                    LogError::Overloaded { .. } if taken > 0 => unavailable(refusal),
                    refusal => refusal,
                };
                delivery.report(records - taken, Some(refusal));
                return;
            }
        }
    }

    /// Hands a partition's records over, and counts those that are taken.
    fn send(
        &self,
        producer: &Producer,
        (partition, records): (u32, &RecordBatch),
        delivery: &Arc<Delivery>,
        taken: &mut usize,
    ) -> Result<(), LogError> {
        for payload in records.iter() {
            let sent = number(partition).and_then(|partition| {
                let record =
                    BaseRecord::<(), [u8], _>::with_opaque_to(&self.config.topic, Arc::clone(delivery));
                let record = record.partition(partition).payload(payload);
                producer.send(record).map_err(|(error, _record)| self.refusal(&error, payload.len()))
            });
            sent?;
            *taken += 1;
        }
        Ok(())
    }

    fn refusal(&self, error: &KafkaError, bytes: usize) -> LogError {
        match error {
            KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => self.room.overloaded(),
            KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge) => {
                LogError::RecordTooLarge { bytes, limit: self.config.record_bytes_max }
            }
            _ => unavailable(error),
        }
    }

    fn producer(&self) -> Arc<Producer> {
        Arc::clone(&self.producer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An idempotent producer that can't tell any more what was written (its topic was made anew, say) takes
    /// nothing from then on.
    fn replace_if_broken(&self, broken: &Arc<Producer>) {
        let Some((code, reason)) = broken.client().fatal_error() else { return };
        let mut current = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current, broken) {
            return;
        }
        tracing::warn!(%code, reason, "the log's producer begins anew");
        match produce(&self.config) {
            Ok(producer) => *current = Arc::new(producer),
            Err(error) => tracing::error!(%error, "the log's producer can't begin anew"),
        }
    }
}

fn produce(config: &KafkaConfig) -> Result<Producer, LogError> {
    let rule = |error| format!("must be taken by librdkafka, which says: {error}");
    Producer::from_config_and_context(&config.producer(), Reports)
        .map_err(|error| LogError::Config { option: "properties", rule: rule(error) })
}

/// How much may be on its way.
struct Room {
    records_max: usize,
    bytes_max: usize,
    held: Mutex<Held>,
}

#[derive(Default, Clone, Copy)]
struct Held {
    records: usize,
    bytes: usize,
}

impl Room {
    fn take(self: &Arc<Self>, records: usize, bytes: usize) -> Result<Taken, LogError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.records + records > self.records_max || held.bytes + bytes > self.bytes_max {
            return Err(LogError::Overloaded { records: held.records, bytes: held.bytes });
        }
        held.records += records;
        held.bytes += bytes;
        Ok(Taken { room: Arc::clone(self), records, bytes })
    }

    fn overloaded(&self) -> LogError {
        let held = *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        LogError::Overloaded { records: held.records, bytes: held.bytes }
    }
}

/// Room that is given back when this is dropped.
struct Taken {
    room: Arc<Room>,
    records: usize,
    bytes: usize,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut held = self.room.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.records -= self.records;
        held.bytes -= self.bytes;
    }
}

/// One append on its way. Each of its records holds it, so its room is free when the last one is reported, also
/// if nobody waits any more.
struct Delivery {
    left: AtomicUsize,
    failure: OnceLock<LogError>,
    done: Mutex<Option<oneshot::Sender<()>>>,
    _room: Taken,
}

impl Delivery {
    fn report(&self, records: usize, failure: Option<LogError>) {
        if let Some(failure) = failure {
            let _first = self.failure.set(failure);
        }
        if self.left.fetch_sub(records, Ordering::AcqRel) == records
            && let Some(done) = self.done.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            let _gone = done.send(());
        }
    }
}

/// Takes the reports of delivery.
struct Reports;

impl ClientContext for Reports {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        said(facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        said(&error.to_string(), reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Arc<Delivery>) {
        delivery.report(1, result.as_ref().err().map(|(error, _message)| unavailable(error)));
    }
}
