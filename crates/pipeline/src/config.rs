use serde::{Deserialize, Serialize};

/// How the pipeline batches and how much it remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PipelineConfig {
    /// Events of one insert while the pipeline keeps up.
    pub batch_events_max: usize,
    /// Events of one insert while it is behind: a batch that is full is followed by one that may be twice as
    /// large, up to this. Fewer, larger inserts make fewer parts, which is what ClickHouse takes fastest.
    pub batch_events_behind_max: usize,
    /// Bytes of log records of one insert, behind or not.
    pub batch_bytes_max: usize,
    /// Milliseconds an event may wait for others before its batch is written. More makes fewer, larger
    /// inserts, and every event that much later to be asked about.
    pub batch_age_ms: u64,
    /// Batches that this process has in memory at once, whatever the number of partitions. While it is written a
    /// batch takes about six times its log records (of 340 bytes; more for shorter ones): by the other bounds at
    /// most 100 to 170 MB each.
    pub batches_at_once_max: usize,
    /// Hours of event time whose ids are kept in memory; older events are looked up in the store.
    pub dedupe_window_hours: u32,
    /// Ids kept in memory by this process, at most 24 bytes each; its partitions have equal shares.
    pub dedupe_ids_max: usize,
    /// Longest pause between two tries while the warehouse is away, in milliseconds. Tries go on
    /// for as long as it takes: the log holds the events meanwhile.
    pub retry_pause_ms_max: u64,
    /// What is kept of refused events.
    pub dead_letter: DeadLetterConfig,
    /// What is learnt from events.
    pub learning: LearningConfig,
}

/// What is kept of refused events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeadLetterConfig {
    /// Days after which they are dropped.
    pub retention_days: u32,
    /// Rows of one app and day; more are counted and not kept.
    pub events_per_app_per_day_max: u64,
    /// Bytes on disk of all apps together; beyond it the oldest days are dropped.
    pub bytes_max: u64,
}

impl Default for DeadLetterConfig {
    fn default() -> Self {
        Self { retention_days: 30, events_per_app_per_day_max: 1_000_000, bytes_max: 4 * 1024 * 1024 * 1024 }
    }
}

/// What is learnt from events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LearningConfig {
    /// Names of events, and of their attributes, that are listed of one app.
    pub names_per_app_max: usize,
    /// Names of all apps that are kept in memory, about 50 bytes each; those of apps not seen for
    /// the longest time are read again when needed.
    pub names_in_memory_max: usize,
}

impl Default for LearningConfig {
    fn default() -> Self {
        Self { names_per_app_max: 5_000, names_in_memory_max: 500_000 }
    }
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            batch_events_max: 20_000,
            batch_events_behind_max: 100_000,
            batch_bytes_max: 16 * 1024 * 1024,
            batch_age_ms: 200,
            batches_at_once_max: 4,
            dedupe_window_hours: 24,
            dedupe_ids_max: 8_000_000,
            retry_pause_ms_max: 5_000,
            dead_letter: DeadLetterConfig::default(),
            learning: LearningConfig::default(),
        }
    }
}
