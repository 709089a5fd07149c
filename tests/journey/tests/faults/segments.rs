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
/// A file can't be read.
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

/// Records may be damaged already, by a fault before this one: what has lost its beginning is passed over, and a
/// record whose length can't be right ends where the next one begins.
fn records(bytes: &[u8]) -> Vec<Record> {
    let mut found = Vec::new();
    let mut at = HEADER_BYTES;
    while at < bytes.len() {
        if !begins(bytes, at) {
            at = next_beginning(bytes, at);
            continue;
        }
        let told = bytes.get(at + 4..at + 8).map(|told| told.try_into().expect("four bytes"));
        let length = told.map_or(0, u32::from_le_bytes) as usize;
        let behind = at + RECORD_HEADER_BYTES + length;
        let is_right = behind == bytes.len() || begins(bytes, behind);
        let end = if is_right { behind } else { next_beginning(bytes, at) };
        found.push(Record { start: at, bytes: end - at, id: id(&bytes[at..end]) });
        at = end;
    }
    found
}

fn begins(bytes: &[u8], at: usize) -> bool {
    bytes.get(at..at + MAGIC.len()) == Some(&MAGIC)
}

fn next_beginning(bytes: &[u8], after: usize) -> usize {
    (after + 1..bytes.len()).find(|at| begins(bytes, *at)).unwrap_or(bytes.len())
}

fn id(record: &[u8]) -> Option<Uuid> {
    let mark = record.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    std::str::from_utf8(record.get(mark..mark + ID_CHARS)?).ok()?.parse().ok()
}
