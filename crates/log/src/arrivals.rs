use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

/// Marks that are kept: 16 KiB for each partition.
const MARKS_MAX: usize = 1024;
const FIRST_STRIDE_MS: u64 = 1000;

/// When the records that are not committed were appended, roughly: one mark a second at first, fewer when reading stops
/// for long, so that memory is bounded. What it says is never too young, unless the clock was set.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// Offset and time of an append, rising.
    marks: VecDeque<(u64, u64)>,
    stride_ms: u64,
}

impl Arrivals {
    /// The marks of a log that was opened: its segments' first offsets and when these were made.
    pub(crate) fn new(segments: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut arrivals = Self { marks: VecDeque::new(), stride_ms: FIRST_STRIDE_MS };
        segments.into_iter().for_each(|(offset, unix_ms)| arrivals.note(offset, unix_ms));
        arrivals
    }

    /// Records from this offset on were appended at this time.
    pub(crate) fn note(&mut self, offset: u64, unix_ms: u64) {
        // A clock that was set back makes the marks before it too young, but not those that follow.
        let is_next = |last: u64| unix_ms < last || unix_ms >= last.saturating_add(self.stride_ms);
        if self.marks.back().is_none_or(|(_, last)| is_next(*last)) {
            self.marks.push_back((offset, unix_ms));
        }
        if self.marks.len() > MARKS_MAX {
            self.stride_ms *= 2;
            let mut even = false;
            self.marks.retain(|_| {
                even = !even;
                even
            });
        }
    }

    /// When the oldest record from `committed` on was appended, or somewhat earlier. Forgets what was before it.
    pub(crate) fn oldest(&mut self, committed: u64) -> Option<u64> {
        while self.marks.get(1).is_some_and(|(offset, _)| *offset <= committed) {
            self.marks.pop_front();
        }
        if self.marks.len() == 1 {
            self.stride_ms = FIRST_STRIDE_MS;
        }
        self.marks.front().map(|(_, unix_ms)| *unix_ms)
    }
}

/// The time now, in Unix milliseconds.
pub(crate) fn unix_ms() -> u64 {
    // A clock before 1970 is of no consequence: the log's order and content do not depend on time.
    unix_ms_of(SystemTime::now())
}

/// This time in Unix milliseconds.
pub(crate) fn unix_ms_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_the_one_that_waits() {
        let mut arrivals = Arrivals::new([(0, 1_000), (10, 9_000)]);
        assert_eq!(arrivals.oldest(4), Some(1_000));
        arrivals.note(20, 9_500);
        arrivals.note(30, 10_000);
        assert_eq!(arrivals.oldest(10), Some(9_000));
        assert_eq!(arrivals.oldest(25), Some(9_000), "20 to 30 came within a second of it");
        assert_eq!(arrivals.oldest(30), Some(10_000));
    }

    #[test]
    fn marks_are_bounded_and_never_too_young() {
        let mut arrivals = Arrivals::new([]);
        let time_of = |offset: u64| 5_000 + offset * 700;
        (0..1_000_000).for_each(|offset| arrivals.note(offset, time_of(offset)));
        assert!(arrivals.marks.len() <= MARKS_MAX);
        let stride = arrivals.stride_ms;
        for committed in (0..1_000_000).step_by(997) {
            let age = time_of(committed) - arrivals.oldest(committed).unwrap();
            assert!(age <= 2 * stride, "{committed} is said to be {age} ms older");
        }
    }
}
