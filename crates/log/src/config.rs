use std::path::PathBuf;

use crate::LogError;
use crate::format::{PAYLOAD_BYTES_LIMIT, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES};

/// Where the log lives and how much it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The log's folder. Made if it is missing; one process at a time may hold it.
    pub dir: PathBuf,
    /// Bytes of one segment file; a batch never spans two. Default 64 MiB.
    pub segment_bytes_max: u64,
    /// Records that may wait to be written. As many again may be in the write that is under way. Default 100,000.
    pub append_queue_records_max: usize,
    /// Bytes of records that may wait to be written. As many again may be in the write under way. Default 32 MiB.
    pub append_queue_bytes_max: usize,
    /// Bytes of one record. Default 256 KiB, limit 16 MiB.
    pub record_bytes_max: usize,
    /// Bytes all segments may take on disk; over it appends fail until a commit lets segments go. Must hold
    /// `committed_segments_kept + 2` segments, so that a log that is read to its end always takes more.
    /// Default 16 GiB.
    pub log_bytes_max: u64,
    /// Segments below the commit that are kept all the same, to be looked into by people. Default 1.
    pub committed_segments_kept: usize,
}

impl LogConfig {
    /// The defaults, in this folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes_max: 64 << 20,
            append_queue_records_max: 100_000,
            append_queue_bytes_max: 32 << 20,
            record_bytes_max: 256 << 10,
            log_bytes_max: 16 << 30,
            committed_segments_kept: 1,
        }
    }

    /// Says which option contradicts the others or the format's limits.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        let kept = u64::try_from(self.committed_segments_kept).unwrap_or(u64::MAX);
        let least_log = self.segment_bytes_max.saturating_mul(kept.saturating_add(2));
        let bound = |fits: bool, option: &'static str, rule: String| {
            if fits { Ok(()) } else { Err(LogError::Config { option, rule }) }
        };
        let record = self.record_bytes_max;
        bound(
            (1..=PAYLOAD_BYTES_LIMIT).contains(&record),
            "record_bytes_max",
            format!("must be 1 to {PAYLOAD_BYTES_LIMIT}"),
        )?;
        bound(
            self.batch_bytes_max() >= (record + RECORD_HEADER_BYTES) as u64,
            "segment_bytes_max",
            format!("must hold a record of {record} bytes and its headers"),
        )?;
        bound(
            self.append_queue_bytes_max >= record,
            "append_queue_bytes_max",
            format!("must hold a record of {record} bytes"),
        )?;
        bound(
            self.append_queue_records_max >= 1,
            "append_queue_records_max",
            "must be at least 1".to_owned(),
        )?;
        bound(
            self.log_bytes_max >= least_log,
            "log_bytes_max",
            format!("must hold committed_segments_kept + 2 segments: {least_log} bytes"),
        )
    }

    /// Bytes on disk that one batch may take: a whole segment but for its header.
    pub(crate) fn batch_bytes_max(&self) -> u64 {
        self.segment_bytes_max.saturating_sub(SEGMENT_HEADER_BYTES as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut LogConfig), expected: Option<&str>) {
        let mut config = LogConfig::new("unused");
        change(&mut config);
        let option = match config.check() {
            Ok(()) => None,
            Err(LogError::Config { option, .. }) => Some(option),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(option, expected);
    }

    #[test]
    fn contradictions_name_the_option() {
        check(|_| {}, None);
        check(|c| c.record_bytes_max = 0, Some("record_bytes_max"));
        check(|c| c.record_bytes_max = (16 << 20) + 1, Some("record_bytes_max"));
        check(|c| c.segment_bytes_max = 256 << 10, Some("segment_bytes_max"));
        check(|c| c.append_queue_bytes_max = 1000, Some("append_queue_bytes_max"));
        check(|c| c.append_queue_records_max = 0, Some("append_queue_records_max"));
        check(|c| c.log_bytes_max = 100 << 20, Some("log_bytes_max"));
        check(|c| c.committed_segments_kept = usize::MAX, Some("log_bytes_max"));
    }
}
