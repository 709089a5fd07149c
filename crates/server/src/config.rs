use serde::{Deserialize, Serialize};

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerConfig {
    /// Address and port.
    pub listen: String,
    /// Milliseconds a client may take to send a request's head.
    pub header_timeout_ms: u64,
    /// Connections at once; more wait to be accepted.
    pub connections_max: usize,
    /// Milliseconds that running requests may take to finish at a graceful stop.
    pub shutdown_timeout_ms: u64,
    /// Bytes of a request body under `/api`.
    pub api_body_bytes_max: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8765".to_owned(),
            header_timeout_ms: 10_000,
            connections_max: 10_000,
            shutdown_timeout_ms: 10_000,
            api_body_bytes_max: 256 * 1024,
        }
    }
}
