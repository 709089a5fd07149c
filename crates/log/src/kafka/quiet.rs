use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

use crate::LogError;

/// What clients of the library have to say goes to the debug log: a broker that is away is told about again and
/// again, by each of them. Whether the log works is told by [`super::cluster`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        said(facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        said(&error.to_string(), reason);
    }
}

impl ConsumerContext for Quiet {}

pub(super) fn said(what: &str, message: &str) {
    tracing::debug!(target: "librdkafka", what, message);
}

/// The brokers do not answer, or not as they should; it goes on by itself.
pub(super) fn unavailable(what: impl std::fmt::Display) -> LogError {
    LogError::Unavailable { message: what.to_string() }
}
