//! The lengths of pauses: doubling up to a limit, and spread so that those who failed together do not return together.

use std::time::Duration;

/// `first`, doubled so many times, and `most` at most.
pub(crate) fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(most)
}

/// Some time up to `most`: full jitter.
pub(crate) fn full_jitter(most: Duration) -> Duration {
    most.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_ends_at_the_most() {
        let (first, most) = (Duration::from_millis(50), Duration::from_secs(2));
        let lengths: Vec<_> = (0..8).map(|times| doubled(first, times, most).as_millis()).collect();
        assert_eq!(lengths, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(doubled(Duration::MAX, u32::MAX, Duration::MAX), Duration::MAX);
    }

    #[test]
    fn jitter_is_spread_over_the_whole_length() {
        let most = Duration::from_secs(1);
        let drawn: Vec<_> = (0..200).map(|_| full_jitter(most)).collect();
        assert!(drawn.iter().all(|pause| *pause <= most));
        assert!(drawn.iter().any(|pause| *pause < most / 4), "short ones too");
        assert!(drawn.iter().any(|pause| *pause > most * 3 / 4), "and long ones");
    }
}
