use serde::{Deserialize, Serialize};

/// How the pipeline batches and how much it remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PipelineConfig {
    /// Events of one insert.
    pub batch_events_max: usize,
    /// Bytes of log records of one insert.
    pub batch_bytes_max: usize,
    /// Milliseconds an event may wait for others before its batch is written.
    pub batch_age_ms: u64,
    /// Hours of event time whose ids are kept in memory; older events are looked up in the store.
    pub dedupe_window_hours: u32,
    /// Ids kept in memory, about 50 bytes each.
    pub dedupe_ids_max: usize,
    /// Longest pause between two tries while the warehouse is away, in milliseconds. Tries go on
    /// for as long as it takes: the log holds the events meanwhile.
    pub retry_pause_ms_max: u64,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            batch_events_max: 20_000,
            batch_bytes_max: 16 * 1024 * 1024,
            batch_age_ms: 200,
            dedupe_window_hours: 24,
            dedupe_ids_max: 8_000_000,
            retry_pause_ms_max: 5_000,
        }
    }
}
