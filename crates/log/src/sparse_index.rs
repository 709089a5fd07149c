//! Where offsets lie in a segment: one entry every 256 KiB, which is what a reader reads at once anyway.
//!
//! The index is kept in memory alone: 16 bytes for 256 KiB, so 1 MiB for a log of 16 GiB. The writer notes what it writes,
//! the scan at open what it passes in the last segment, and for an older segment that nobody has passed yet, the reader
//! halves the gap between two entries by looking at the record in its middle (see `seek.rs`): records say their own offsets,
//! so eight such looks find the place in 64 MiB. A side file would have to be written, synced, checked and mended, and a
//! scan of every segment would make opening a long log slow: neither buys anything here.

use crate::format::SEGMENT_HEADER_BYTES;

/// Bytes between two entries, at least.
pub(crate) const STRIDE_BYTES: u64 = 256 << 10;

/// A segment's index. Its entries rise in both numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct SparseIndex {
    entries: Vec<Mark>,
}

/// A record begins here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub offset: u64,
    pub position: u64,
}

impl SparseIndex {
    /// Takes the mark in, unless it lies close to another or contradicts one.
    pub(crate) fn note(&mut self, mark: Mark) {
        let after = self.entries.partition_point(|entry| entry.position <= mark.position);
        let clear_before = match after.checked_sub(1).map(|before| self.entries[before]) {
            Some(before) => mark.position >= before.position + STRIDE_BYTES && mark.offset > before.offset,
            None => mark.position >= SEGMENT_HEADER_BYTES as u64 + STRIDE_BYTES,
        };
        let clear_behind = self
            .entries
            .get(after)
            .is_none_or(|next| mark.position + STRIDE_BYTES <= next.position && mark.offset < next.offset);
        if clear_before && clear_behind {
            self.entries.insert(after, mark);
        }
    }

    /// Between which two positions the record of this offset begins, in a segment of so many bytes.
    pub(crate) fn bounds(&self, offset: u64, segment_bytes: u64) -> (u64, u64) {
        let after = self.entries.partition_point(|entry| entry.offset <= offset);
        let low = after.checked_sub(1).map_or(SEGMENT_HEADER_BYTES as u64, |at| self.entries[at].position);
        let high = self.entries.get(after).map_or(segment_bytes, |entry| entry.position);
        (low, high.max(low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stay_apart_and_rise() {
        let mut index = SparseIndex::default();
        let mut note = |offset, strides: u64, bytes: u64| {
            index.note(Mark { offset, position: strides * STRIDE_BYTES + bytes });
        };
        note(1, 0, 100);
        note(10, 1, 48);
        note(11, 1, 90);
        note(40, 4, 0);
        note(5, 2, 60);
        note(30, 3, 1);
        note(20, 2, 60);
        note(41, 9, 0);
        let offsets: Vec<u64> = index.entries.iter().map(|mark| mark.offset).collect();
        assert_eq!(offsets, [10, 20, 40, 41]);
    }

    #[test]
    fn bounds_hold_the_offset() {
        let mut index = SparseIndex::default();
        assert_eq!(index.bounds(7, 1000), (48, 1000));
        index.note(Mark { offset: 10, position: 300_000 });
        index.note(Mark { offset: 20, position: 600_000 });
        assert_eq!(index.bounds(9, 900_000), (48, 300_000));
        assert_eq!(index.bounds(10, 900_000), (300_000, 600_000));
        assert_eq!(index.bounds(25, 900_000), (600_000, 900_000));
    }
}
