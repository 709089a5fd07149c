use std::time::Duration;

/// How long to wait between tries: exponential, with full jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// Upper bound of the pause before the second try; doubled before each further one. Default 500 ms.
    pub first: Duration,
    /// Upper bound before any try, unless the server asks for a later one. Default 30 s.
    pub longest: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(30) }
    }
}

/// Counts failures in a row and chooses the pauses between them.
#[derive(Debug)]
pub(crate) struct Backoff {
    pauses: Pauses,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(pauses: Pauses) -> Self {
        Self { pauses, failures: 0 }
    }

    /// The pause after one more failure. What the server asks for is a minimum, and a little is added
    /// to it, so that clients refused together don't come back together.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = self.pauses.first.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let pause = share(doubled.min(self.pauses.longest));
        match asked {
            Some(asked) => pause.max(asked + share(self.pauses.first)),
            None => pause,
        }
    }

    /// It went well.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Anything from nothing to the whole.
fn share(whole: Duration) -> Duration {
    whole.mul_f64(rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_grow_to_their_bound_and_spread() {
        let pauses = Pauses { first: SECOND, longest: 10 * SECOND };
        let mut longest_seen = [Duration::ZERO; 40];
        for _ in 0..200 {
            let mut backoff = Backoff::new(pauses);
            for (failure, seen) in longest_seen.iter_mut().enumerate() {
                let pause = backoff.next(None);
                let bound = SECOND.saturating_mul(1 << failure.min(20)).min(10 * SECOND);
                assert!(pause <= bound, "{failure}: {pause:?}");
                *seen = pause.max(*seen);
            }
        }
        // 200 draws, none over three quarters of the bound: less than 1e-24.
        assert!(longest_seen[0] > SECOND * 3 / 4 && longest_seen[39] > SECOND * 30 / 4, "{longest_seen:?}");
    }

    #[test]
    fn what_the_server_asks_for_is_a_minimum() {
        let mut backoff = Backoff::new(Pauses { first: SECOND, longest: 2 * SECOND });
        for _ in 0..100 {
            let pause = backoff.next(Some(5 * SECOND));
            assert!((5 * SECOND..=6 * SECOND).contains(&pause), "{pause:?}");
        }
        backoff.reset();
        assert!(backoff.next(None) <= SECOND);
    }
}
