use std::path::PathBuf;

use crate::LogError;
use crate::format::{PAYLOAD_BYTES_LIMIT, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES};

/// Where the log lives and how much it may take. What is bounded, all partitions share, but where it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The log's folder. Made if it is missing; one process at a time may hold it.
    pub dir: PathBuf,
    /// Partitions of an [`crate::EmbeddedLog`]; a [`crate::SegmentLog`] is always one. Default 2, limit 64: each has a
    /// thread and an open file. It may be changed whenever the log is opened: partitions that are not written any more are
    /// read to their end.
    pub partitions: u32,
    /// Bytes of one segment file; what a batch puts into a partition never spans two. Default 64 MiB.
    pub segment_bytes_max: u64,
    /// Records that may wait to be written. As many again may be in the write that is under way. Default 100,000.
    pub append_queue_records_max: usize,
    /// Bytes of records that may wait to be written. As many again may be in the write under way. Default 32 MiB.
    pub append_queue_bytes_max: usize,
    /// Bytes of one record. Default 256 KiB, limit 16 MiB.
    pub record_bytes_max: usize,
    /// Bytes all records may take on disk, those included that are kept after the commit; each segment's 48
    /// bytes come on top. Over it appends fail until a commit lets segments go. Must hold `partitions + 1` segments, so
    /// that a log that is read to its end always takes more. Default 16 GiB.
    pub log_bytes_max: u64,
    /// How long a segment is kept whose records are all committed, to be looked into by people; counted from its last
    /// append. Default 1, limit 87,600 (ten years).
    pub committed_kept_hours: u64,
    /// Bytes of committed segments that are kept so, for each partition; the oldest go first. All of them go at once when
    /// `log_bytes_max` or the disk is short. Default 256 MiB.
    pub committed_bytes_kept_max: u64,
    /// While the disk has less free space, appends fail, so that it does not fill up under everything else on it. Of a
    /// disk so small that this is more than a twentieth of it, a twentieth. 0 does not look. Default 256 MiB.
    pub disk_free_bytes_min: u64,
}

const PARTITIONS_LIMIT: u32 = 64;
const KEPT_HOURS_LIMIT: u64 = 87_600;

impl LogConfig {
    /// The defaults, in this folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            partitions: 2,
            segment_bytes_max: 64 << 20,
            append_queue_records_max: 100_000,
            append_queue_bytes_max: 32 << 20,
            record_bytes_max: 256 << 10,
            log_bytes_max: 16 << 30,
            committed_kept_hours: 1,
            committed_bytes_kept_max: 256 << 20,
            disk_free_bytes_min: 256 << 20,
        }
    }

    /// Says which option contradicts the others or the format's limits.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        let record = self.record_bytes_max;
        let least_log = self.segment_bytes_max.saturating_mul(u64::from(self.partitions) + 1);
        let rules = [
            (
                (1..=PARTITIONS_LIMIT).contains(&self.partitions),
                "partitions",
                format!("must be 1 to {PARTITIONS_LIMIT}"),
            ),
            (
                (1..=PAYLOAD_BYTES_LIMIT).contains(&record),
                "record_bytes_max",
                format!("must be 1 to {PAYLOAD_BYTES_LIMIT}"),
            ),
            (
                self.batch_bytes_max() >= (record + RECORD_HEADER_BYTES) as u64,
                "segment_bytes_max",
                format!("must hold a record of {record} bytes and its headers"),
            ),
            (
                self.append_queue_bytes_max >= record,
                "append_queue_bytes_max",
                format!("must hold a record of {record} bytes"),
            ),
            (self.append_queue_records_max >= 1, "append_queue_records_max", "must be at least 1".to_owned()),
            (
                self.log_bytes_max >= least_log,
                "log_bytes_max",
                format!("must hold partitions + 1 segments: {least_log} bytes"),
            ),
            (
                self.committed_kept_hours <= KEPT_HOURS_LIMIT,
                "committed_kept_hours",
                format!("must be at most {KEPT_HOURS_LIMIT}"),
            ),
        ];
        match rules.into_iter().find(|(holds, _, _)| !holds) {
            Some((_, option, rule)) => Err(LogError::Config { option, rule }),
            None => Ok(()),
        }
    }

    /// Bytes on disk that one batch may take in a partition: a whole segment but for its header.
    pub(crate) fn batch_bytes_max(&self) -> u64 {
        self.segment_bytes_max.saturating_sub(SEGMENT_HEADER_BYTES as u64)
    }

    /// [`Self::committed_kept_hours`] in milliseconds.
    pub(crate) fn committed_kept_ms(&self) -> u64 {
        self.committed_kept_hours.saturating_mul(3_600_000)
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
        check(|c| c.committed_kept_hours = u64::MAX, Some("committed_kept_hours"));
        check(|c| c.partitions = 0, Some("partitions"));
        check(|c| c.partitions = 65, Some("partitions"));
    }
}
