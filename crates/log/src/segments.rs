use std::sync::Arc;

use crate::metrics;
use crate::room::Room;
use crate::sparse_index::{Mark, SparseIndex};

/// The segments of a partition, oldest first, and the durable end. One lock guards it, so a reader never
/// sees an end without the bytes that belong to it.
pub(crate) struct Segments {
    list: Vec<IndexedSegment>,
    end_offset: u64,
    partition: u32,
    room: Arc<Room>,
}

/// One segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The first offset it may hold; names the file.
    pub first_offset: u64,
    /// Its durable bytes, header included.
    pub bytes: u64,
    /// When it was made.
    pub made_unix_ms: u64,
    /// When it grew last.
    pub appended_unix_ms: u64,
}

/// A segment, and where its offsets lie.
#[derive(Debug, Clone)]
pub(crate) struct IndexedSegment {
    pub segment: Segment,
    pub index: SparseIndex,
}

/// Which committed segments are kept all the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    /// The newest of them, up to so many bytes.
    pub bytes_max: u64,
    /// Those that grew at this time or later.
    pub appended_since_unix_ms: u64,
}

/// Where an offset is to be found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not written yet.
    Ahead,
    /// In this segment, which holds no offset from `fence` on.
    In { segment: Segment, fence: u64 },
    /// In no file; the next offset that may be in one is `until`.
    Nowhere { until: u64 },
}

impl Keep {
    /// All of them go.
    pub(crate) const NOTHING: Self = Self { bytes_max: 0, appended_since_unix_ms: u64::MAX };
}

impl Segments {
    pub(crate) fn new(list: Vec<IndexedSegment>, end_offset: u64, partition: u32, room: Arc<Room>) -> Self {
        let segments = Self { list, end_offset, partition, room };
        segments.room.occupy(segments.bytes());
        segments.report();
        segments
    }

    pub(crate) fn end_offset(&self) -> u64 {
        self.end_offset
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.iter().map(|segment| segment.bytes).sum()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = Segment> {
        self.list.iter().map(|indexed| indexed.segment)
    }

    /// The oldest offset that may still be in a file.
    pub(crate) fn first_offset(&self) -> u64 {
        self.iter().next().map_or(self.end_offset, |segment| segment.first_offset)
    }

    /// The segment that grows, if it holds anything.
    pub(crate) fn filled_last(&self) -> Option<Segment> {
        self.iter().next_back().filter(|last| last.first_offset < self.end_offset)
    }

    pub(crate) fn place(&self, offset: u64) -> Place {
        if offset >= self.end_offset {
            return Place::Ahead;
        }
        let after = self.list.partition_point(|indexed| indexed.segment.first_offset <= offset);
        let fence = self.list.get(after).map_or(self.end_offset, |next| next.segment.first_offset);
        match after.checked_sub(1) {
            Some(holder) => Place::In { segment: self.list[holder].segment, fence },
            None => Place::Nowhere { until: fence },
        }
    }

    /// The index of the segment of this name, while it is there.
    pub(crate) fn index(&self, first_offset: u64) -> Option<&SparseIndex> {
        self.find(first_offset).map(|at| &self.list[at].index)
    }

    /// In this segment, records begin at these places.
    pub(crate) fn note(&mut self, first_offset: u64, marks: &[Mark]) {
        if let Some(at) = self.find(first_offset) {
            marks.iter().for_each(|mark| self.list[at].index.note(*mark));
        }
    }

    /// A new segment begins at the durable end. One that begins there already holds no record and is replaced.
    pub(crate) fn begin(&mut self, bytes: u64, unix_ms: u64) {
        let segment = Segment {
            first_offset: self.end_offset,
            bytes,
            made_unix_ms: unix_ms,
            appended_unix_ms: unix_ms,
        };
        if let Some(empty) = self.list.pop_if(|last| last.segment.first_offset == segment.first_offset) {
            self.room.vacate(empty.segment.bytes);
        }
        self.room.occupy(bytes);
        self.list.push(IndexedSegment { segment, index: SparseIndex::default() });
        self.report();
    }

    /// The last segment has grown durably, by bytes that were admitted. Some of its new records begin at these places.
    pub(crate) fn grow(&mut self, bytes: u64, end_offset: u64, unix_ms: u64, marks: &[Mark]) {
        let last = self.list.last_mut().expect("a segment was begun before it grows");
        (last.segment.bytes, last.segment.appended_unix_ms) = (bytes, unix_ms);
        marks.iter().for_each(|mark| last.index.note(*mark));
        self.end_offset = end_offset;
        self.report();
    }

    /// Whether [`Segments::release`] would name any.
    pub(crate) fn can_release(&self, committed: u64, keep: Keep) -> bool {
        self.releasable(committed, keep) > 0
    }

    /// Forgets the segments that lie wholly below `committed`, but for those to keep, and names them. The last segment is
    /// never among them.
    pub(crate) fn release(&mut self, committed: u64, keep: Keep) -> Vec<Segment> {
        let count = self.releasable(committed, keep);
        let released: Vec<Segment> = self.list.drain(..count).map(|indexed| indexed.segment).collect();
        self.room.vacate(released.iter().map(|segment| segment.bytes).sum());
        self.report();
        released
    }

    fn releasable(&self, committed: u64, keep: Keep) -> usize {
        let is_below = |pair: &&[IndexedSegment]| pair[1].segment.first_offset <= committed;
        let below = self.list.windows(2).take_while(is_below).count();
        let mut bytes = 0;
        let kept = self.list[..below].iter().rev().take_while(|indexed| {
            bytes += indexed.segment.bytes;
            bytes <= keep.bytes_max && indexed.segment.appended_unix_ms >= keep.appended_since_unix_ms
        });
        below - kept.count()
    }

    /// The segment of this name was cut: what is left of it begins at `left.first_offset`, in a file of its own.
    pub(crate) fn replace(&mut self, first_offset: u64, left: Segment) {
        if let Some(at) = self.find(first_offset) {
            self.room.occupy(left.bytes);
            self.room.vacate(self.list[at].segment.bytes);
            self.list[at] = IndexedSegment { segment: left, index: SparseIndex::default() };
            self.report();
        }
    }

    fn find(&self, first_offset: u64) -> Option<usize> {
        self.list.binary_search_by_key(&first_offset, |indexed| indexed.segment.first_offset).ok()
    }

    fn report(&self) {
        metrics::on_disk(self.partition, self.list.len(), self.bytes());
    }
}
