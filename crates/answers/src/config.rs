use serde::{Deserialize, Serialize};
use suanpan_warehouse::AskLimits;

/// How many questions run at once, and how long their answers are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswersConfig {
    /// Bytes of answers kept in memory; the least recently used go first.
    pub cache_bytes_max: u64,
    /// Seconds an answer over a closed range is kept at most; late data ends it earlier.
    pub closed_range_expires_s: u64,
    /// Seconds an answer over a range that goes on is kept at most.
    pub open_range_expires_s: u64,
    /// Milliseconds an answer over a range that goes on is still given, marked as stale, though
    /// new data has arrived.
    pub serve_stale_ms: u64,
    /// Questions that run in the warehouse at the same time.
    pub queries_at_once_max: usize,
    /// Questions that may wait for their turn; over it asking gets 503.
    pub queries_waiting_max: usize,
    /// The limits of one question in the warehouse.
    pub query: AskLimits,
}

impl Default for AnswersConfig {
    fn default() -> Self {
        Self {
            cache_bytes_max: 64 * 1024 * 1024,
            closed_range_expires_s: 3600,
            open_range_expires_s: 10,
            serve_stale_ms: 1000,
            queries_at_once_max: 4,
            queries_waiting_max: 256,
            query: AskLimits::default(),
        }
    }
}
