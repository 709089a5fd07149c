use std::path::{Path, PathBuf};
use std::time::Duration;

use suanpan_log::{Entry, LogConfig, RecordBatch, SegmentLog};

/// A log with segments so small that tests fill some.
pub fn small(dir: &Path, segment_bytes_max: u64) -> LogConfig {
    LogConfig { segment_bytes_max, record_bytes_max: 600, ..LogConfig::new(dir) }
}

/// Everything from `from_offset` to the durable end.
pub async fn read_from(log: &SegmentLog, from_offset: u64) -> Vec<Entry> {
    let mut reader = log.reader(from_offset);
    let mut all = Vec::new();
    loop {
        let entries = reader.next_batch(7, 4096, Duration::ZERO).await.unwrap();
        if entries.is_empty() {
            return all;
        }
        all.extend(entries);
    }
}

/// The payload of the record at an offset: its offset, told a hundred times over in bytes.
pub fn payload(offset: u64) -> Vec<u8> {
    offset.to_le_bytes().repeat(13)[..100].to_vec()
}

/// Appends records of [`payload`] one by one up to `end`.
pub async fn fill(log: &SegmentLog, end: u64) {
    for offset in log.end_offset()..end {
        let records: RecordBatch = [payload(offset)].iter().collect();
        assert_eq!(log.append(records).await.unwrap(), offset..offset + 1);
    }
}

/// `0-5 !5-6 6-9`: runs of whole records and of damage. Payloads are checked.
pub fn summary(entries: &[Entry]) -> String {
    let mut runs: Vec<(bool, u64, u64)> = Vec::new();
    for entry in entries {
        let (damaged, from, to) = match entry {
            Entry::Record { offset, payload: found } => {
                assert_eq!(found[..], payload(*offset)[..], "the payload of {offset}");
                (false, *offset, offset + 1)
            }
            Entry::Damaged { offsets } => (true, offsets.start, offsets.end),
        };
        match runs.last_mut() {
            Some(last) if last.0 == damaged && last.2 == from && !damaged => last.2 = to,
            _ => runs.push((damaged, from, to)),
        }
    }
    let runs =
        runs.iter().map(|(damaged, from, to)| format!("{}{from}-{to}", if *damaged { "!" } else { "" }));
    runs.collect::<Vec<_>>().join(" ")
}

/// The segment files, oldest first.
pub fn segment_files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    files.sort();
    files
}
