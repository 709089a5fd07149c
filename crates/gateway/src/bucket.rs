/// Seconds of a rate that may come at once after a pause.
pub(crate) const BURST_SECONDS: u32 = 10;

/// A token bucket: events a second on average, with bursts of [`BURST_SECONDS`] of them.
///
/// A batch larger than a whole burst passes when the bucket is full, and leaves a debt that is
/// paid off before the next: the average holds, and no batch waits for ever.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bucket {
    /// Thousandths of events missing from a full bucket: what one event a second adds in 1 ms.
    missing: u64,
    /// When that was so.
    at_ms: i64,
}

const EVENT: u64 = 1000;

impl Bucket {
    /// Whether this many events may pass now; else how many seconds until they may, at least one.
    pub fn ask(&mut self, events: u64, per_second: u32, now_ms: i64) -> Result<(), u32> {
        self.refill(per_second, now_ms);
        let a_second = u64::from(per_second) * EVENT;
        let capacity = a_second * u64::from(BURST_SECONDS);
        let wanted = events.saturating_mul(EVENT).min(capacity);
        match self.missing.saturating_add(wanted).saturating_sub(capacity) {
            0 => Ok(()),
            short => Err(u32::try_from(short.div_ceil(a_second.max(1))).unwrap_or(u32::MAX)),
        }
    }

    /// Takes events out, after a look with [`Self::ask`].
    pub fn take(&mut self, events: u64) {
        self.missing = self.missing.saturating_add(events.saturating_mul(EVENT));
    }

    /// Gives events back that did not come to pass.
    pub fn give_back(&mut self, events: u64) {
        self.missing = self.missing.saturating_sub(events.saturating_mul(EVENT));
    }

    /// Whether it is as good as new.
    pub fn is_full(&mut self, per_second: u32, now_ms: i64) -> bool {
        self.refill(per_second, now_ms);
        self.missing == 0
    }

    fn refill(&mut self, per_second: u32, now_ms: i64) {
        // A clock that is set back adds nothing until it is where it was.
        let elapsed_ms = now_ms.saturating_sub(self.at_ms).max(0).unsigned_abs();
        self.missing = self.missing.saturating_sub(elapsed_ms.saturating_mul(per_second.into()));
        self.at_ms = self.at_ms.max(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(bucket: &mut Bucket, now_ms: i64, events: u64, expected: Result<(), u32>) {
        let answer = bucket.ask(events, 100, now_ms);
        assert_eq!(answer, expected, "{events} events at {now_ms}");
        if answer.is_ok() {
            bucket.take(events);
        }
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut bucket = Bucket::default();
        check(&mut bucket, 1_000_000, 600, Ok(()));
        check(&mut bucket, 1_000_000, 400, Ok(()));
        check(&mut bucket, 1_000_000, 1, Err(1));
        check(&mut bucket, 1_000_000, 250, Err(3));
        check(&mut bucket, 1_002_500, 250, Ok(()));
        // Set back: nothing is added, nothing taken away.
        check(&mut bucket, 900_000, 1, Err(1));
        check(&mut bucket, 1_003_500, 100, Ok(()));
    }

    #[test]
    fn a_batch_beyond_the_burst_passes_on_credit() {
        let mut bucket = Bucket::default();
        check(&mut bucket, 0, 5000, Ok(()));
        check(&mut bucket, 1000, 1, Err(40));
        check(&mut bucket, 40_010, 1, Ok(()));
    }

    #[test]
    fn what_was_given_back_can_be_taken_again() {
        let mut bucket = Bucket::default();
        check(&mut bucket, 0, 1000, Ok(()));
        bucket.give_back(1000);
        check(&mut bucket, 0, 1000, Ok(()));
        assert!(!bucket.is_full(100, 9_999) && bucket.is_full(100, 10_000));
    }

    proptest! {
        /// Whatever comes when, no more passes than the rate, one burst, and one batch on credit.
        #[test]
        fn the_average_holds(steps in prop::collection::vec((0..3000_i64, 1..2500_u64), 1..200)) {
            let (mut bucket, mut now_ms, mut passed) = (Bucket::default(), 0, 0);
            for (pause_ms, events) in steps {
                now_ms += pause_ms;
                if bucket.ask(events, 100, now_ms).is_ok() {
                    bucket.take(events);
                    passed += events;
                }
            }
            let most = u64::try_from(now_ms).unwrap() / 10 + 1 + 1000 + 2500;
            prop_assert!(passed <= most, "{} passed, at most {}", passed, most);
        }

        /// Who waits as long as told gets through.
        #[test]
        fn the_wait_is_long_enough(first in 1..5000_u64, second in 1..5000_u64, rate in 1..1000_u32) {
            let mut bucket = Bucket::default();
            bucket.take(first);
            if let Err(seconds) = bucket.ask(second, rate, 0) {
                prop_assert_eq!(bucket.ask(second, rate, i64::from(seconds) * 1000), Ok(()));
            }
        }
    }
}
