use serde::{Deserialize, Serialize};
use suanpan_event::EventLimits;

/// What the gateway takes. Going over a limit is answered by an error that names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewayLimits {
    /// Bytes of a request body as it comes over the wire.
    pub body_bytes_max: usize,
    /// Bytes of a request body after unpacking gzip.
    pub unpacked_bytes_max: usize,
    /// Events of one request.
    pub events_per_request_max: usize,
    /// Bytes of request bodies held at once by all requests; over it requests get 503.
    pub inflight_bytes_max: usize,
    /// Milliseconds a client may take to send its body; over it the request gets 408.
    pub body_timeout_ms: u64,
    /// The limits of one event.
    #[serde(flatten)]
    pub event: EventLimits,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 6 * 1024 * 1024,
            unpacked_bytes_max: 8 * 1024 * 1024,
            events_per_request_max: 1000,
            inflight_bytes_max: 512 * 1024 * 1024,
            body_timeout_ms: 30_000,
            event: EventLimits::default(),
        }
    }
}
