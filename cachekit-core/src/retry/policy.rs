//! How often and how long something is tried again.

use std::time::Duration;

use super::jitter;

/// How often something is tried, how long the pauses are, and for how long in all.
///
/// The pause after the `n`-th failure is drawn from 0 to `base · 2ⁿ⁻¹`, at most [`cap`](Self::cap): exponential
/// backoff with full jitter, so that callers that failed together do not come back together.
///
/// ```
/// use std::time::Duration;
/// use cachekit_core::retry::RetryPolicy;
///
/// let patient = RetryPolicy::new().max_attempts(10).cap(Duration::from_secs(5));
/// assert_ne!(patient, RetryPolicy::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct RetryPolicy {
    max_attempts: u32,
    base: Duration,
    cap: Duration,
    within: Duration,
}

impl RetryPolicy {
    /// 5 attempts, pauses from up to 50 ms to up to 2 s, 30 s in all.
    pub const fn new() -> Self {
        Self {
            max_attempts: 5,
            base: Duration::from_millis(50),
            cap: Duration::from_secs(2),
            within: Duration::from_secs(30),
        }
    }

    /// How often it is tried at most, the first time included (default 5, at least 1).
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// How long the first pause is at most (default 50 ms).
    pub const fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// How long any pause is at most (default 2 s).
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// After how long no further attempt is begun (default 30 s). An attempt under way is not cut off.
    pub const fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// How long to wait after `failed` attempts.
    pub(crate) fn pause(&self, failed: u32) -> Duration {
        jitter::full_jitter(jitter::doubled(self.base, failed.saturating_sub(1), self.cap))
    }

    /// The pause before the next attempt; `None` if there is to be no other.
    pub(super) fn next(&self, failed: u32, elapsed: Duration) -> Option<Duration> {
        if failed >= self.max_attempts {
            return None;
        }
        let pause = self.pause(failed);
        (elapsed.saturating_add(pause) <= self.within).then_some(pause)
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_cap() {
        let policy = RetryPolicy::new();
        for (failed, most) in [(1, 50), (2, 100), (3, 200), (6, 1600), (7, 2000), (40, 2000)] {
            let longest = (0..200).map(|_| policy.pause(failed)).max().unwrap();
            let most = Duration::from_millis(most);
            assert!(longest <= most && longest > most / 2, "after {failed}: {longest:?}");
        }
    }

    #[test]
    fn nothing_is_begun_after_the_last_attempt_or_the_time() {
        let policy = RetryPolicy::new().max_attempts(3);
        assert!(policy.next(2, Duration::ZERO).is_some());
        assert_eq!(policy.next(3, Duration::ZERO), None);
        assert_eq!(policy.next(1, Duration::from_secs(31)), None);
        assert_eq!(RetryPolicy::new().max_attempts(0).next(1, Duration::ZERO), None);
    }
}
