//! Whether reads tend to find something.

use std::sync::atomic::{AtomicU32, Ordering};

/// The most that a run of hits counts for.
const MOST: u32 = 64;
/// What one miss takes away: a read that finds nothing costs a round trip more than a probe.
const MISS: u32 = 8;

/// A run of hits, as far as threads that look away from one another can count it.
#[derive(Debug, Default)]
pub(crate) struct Trend(AtomicU32);

impl Trend {
    /// Whether at least eight in nine reads have found something of late.
    pub(crate) fn is_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= MOST / 2
    }

    /// A count may be lost to another thread: it decides about nothing but speed. Written only
    /// where it changes, so that hits of all threads share the cache line.
    pub(crate) fn note(&self, hit: bool) {
        let before = self.0.load(Ordering::Relaxed);
        let after = if hit { (before + 1).min(MOST) } else { before.saturating_sub(MISS) };
        if after != before {
            self.0.store(after, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(hits: u32, misses: u32) -> Trend {
        let trend = Trend::default();
        (0..hits).for_each(|_| trend.note(true));
        (0..misses).for_each(|_| trend.note(false));
        trend
    }

    #[test]
    fn a_run_of_hits_makes_a_trend_and_misses_end_it() {
        assert!(!after(MOST / 2 - 1, 0).is_up());
        assert!(after(MOST / 2, 0).is_up());
        assert!(after(1_000, 4).is_up());
        assert!(!after(1_000, 5).is_up());
    }
}
