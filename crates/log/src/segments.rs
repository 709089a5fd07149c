use crate::metrics;

/// The segments there are, oldest first, and the durable end. One lock guards it, so a reader never
/// sees an end without the bytes that belong to it.
#[derive(Debug)]
pub(crate) struct Segments {
    list: Vec<Segment>,
    end_offset: u64,
}

/// One segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The first offset it may hold; names the file.
    pub first_offset: u64,
    /// Its durable bytes, header included.
    pub bytes: u64,
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

impl Segments {
    pub(crate) fn new(list: Vec<Segment>, end_offset: u64) -> Self {
        let segments = Self { list, end_offset };
        segments.report();
        segments
    }

    pub(crate) fn end_offset(&self) -> u64 {
        self.end_offset
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.list.iter().map(|segment| segment.bytes).sum()
    }

    /// The oldest offset that may still be in a file.
    pub(crate) fn first_offset(&self) -> u64 {
        self.list.first().map_or(self.end_offset, |segment| segment.first_offset)
    }

    pub(crate) fn place(&self, offset: u64) -> Place {
        if offset >= self.end_offset {
            return Place::Ahead;
        }
        let after = self.list.partition_point(|segment| segment.first_offset <= offset);
        let fence = self.list.get(after).map_or(self.end_offset, |next| next.first_offset);
        match after.checked_sub(1) {
            Some(holder) => Place::In { segment: self.list[holder], fence },
            None => Place::Nowhere { until: fence },
        }
    }

    /// A new segment begins at the durable end. One that begins there already holds no record and is replaced.
    pub(crate) fn begin(&mut self, bytes: u64) {
        let segment = Segment { first_offset: self.end_offset, bytes };
        match self.list.last_mut() {
            Some(last) if last.first_offset == self.end_offset => *last = segment,
            _ => self.list.push(segment),
        }
        self.report();
    }

    /// The last segment has grown durably.
    pub(crate) fn grow(&mut self, bytes: u64, end_offset: u64) {
        let last = self.list.last_mut().expect("a segment was begun before it grows");
        (last.bytes, self.end_offset) = (bytes, end_offset);
        self.report();
    }

    /// Whether [`Segments::release`] would name any.
    pub(crate) fn can_release(&self, committed: u64, kept: usize) -> bool {
        self.releasable(committed, kept) > 0
    }

    /// Forgets the segments that lie wholly below `committed`, but for the newest `kept` of them, and
    /// names them. The last segment is never among them.
    pub(crate) fn release(&mut self, committed: u64, kept: usize) -> Vec<Segment> {
        let count = self.releasable(committed, kept);
        let released = self.list.drain(..count).collect();
        self.report();
        released
    }

    fn releasable(&self, committed: u64, kept: usize) -> usize {
        let below = self.list.windows(2).take_while(|pair| pair[1].first_offset <= committed).count();
        below.saturating_sub(kept)
    }

    fn report(&self) {
        metrics::on_disk(self.list.len(), self.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(first_offset: u64) -> Segment {
        Segment { first_offset, bytes: 100 }
    }

    #[test]
    fn an_offset_is_in_the_last_segment_that_begins_before_it() {
        let segments = Segments::new(vec![at(10), at(20), at(30)], 35);
        assert_eq!(segments.place(3), Place::Nowhere { until: 10 });
        assert_eq!(segments.place(19), Place::In { segment: at(10), fence: 20 });
        assert_eq!(segments.place(20), Place::In { segment: at(20), fence: 30 });
        assert_eq!(segments.place(34), Place::In { segment: at(30), fence: 35 });
        assert_eq!(segments.place(35), Place::Ahead);
        assert_eq!(Segments::new(vec![], 5).place(0), Place::Nowhere { until: 5 });
    }

    #[test]
    fn only_whole_segments_below_the_commit_are_released() {
        let released = |committed, kept| {
            let mut segments = Segments::new(vec![at(0), at(10), at(20), at(30)], 35);
            segments.release(committed, kept).len()
        };
        assert_eq!(released(9, 0), 0);
        assert_eq!(released(10, 0), 1);
        assert_eq!(released(29, 0), 2);
        assert_eq!(released(35, 0), 3);
        assert_eq!(released(35, 1), 2);
        assert_eq!(released(35, 9), 0);
    }
}
