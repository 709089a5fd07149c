//! Reads the log's files as `crates/log/src/format.rs` describes them, without its code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uuid::Uuid;

const HEADER_BYTES: usize = 48;
const RECORD_HEADER_BYTES: usize = 20;
const MAGIC: [u8; 4] = [0xFF, 0x5A, 0xA5, 0xFE];
/// What stands before an event's id in its properties.
const MARK: &[u8] = br#""n":""#;
const ID_CHARS: usize = 36;

/// A record in its file.
#[derive(Debug, Clone)]
pub struct Record {
    /// Where it begins, and how long it is, its header included.
    pub start: usize,
    pub bytes: usize,
    /// The id in the event's properties.
    pub id: Option<Uuid>,
}

/// A segment file.
#[derive(Debug)]
pub struct Segment {
    pub path: PathBuf,
    pub records: Vec<Record>,
    /// Whether it is its partition's newest.
    pub is_last: bool,
}

/// All segments below the log's folder, each partition's in order.
///
/// # Panics
/// A file can't be read, or ends in the middle of a record.
pub fn segments(log: &Path) -> Vec<Segment> {
    let mut of_folder: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    let mut folders = vec![log.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the log's folder can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "log") {
                of_folder.entry(folder.clone()).or_default().push(path);
            }
        }
    }
    let mut all = Vec::new();
    for mut paths in of_folder.into_values() {
        paths.sort();
        let last = paths.len() - 1;
        for (n, path) in paths.into_iter().enumerate() {
            let records = records(&std::fs::read(&path).expect("a segment can be read"));
            all.push(Segment { path, records, is_last: n == last });
        }
    }
    all
}

fn records(bytes: &[u8]) -> Vec<Record> {
    let mut found = Vec::new();
    let mut at = HEADER_BYTES;
    while at < bytes.len() {
        assert_eq!(bytes[at..at + 4], MAGIC, "a record begins at {at}");
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().expect("four bytes")) as usize;
        let whole = RECORD_HEADER_BYTES + length;
        found.push(Record { start: at, bytes: whole, id: id(&bytes[at..at + whole]) });
        at += whole;
    }
    found
}

fn id(record: &[u8]) -> Option<Uuid> {
    let mark = record.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    std::str::from_utf8(record.get(mark..mark + ID_CHARS)?).ok()?.parse().ok()
}
