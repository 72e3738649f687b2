//! The clocks that expiry and freshness are measured by, and the one that tests move by hand.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Milliseconds since some fixed moment of this process' machine; never goes back.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// Cheap, up to 10 ms late, and stands still while the machine sleeps: expiry in one process.
    Coarse,
    /// Counts while the machine sleeps as well: what is compared with another machine's progress.
    Boot,
    /// Moved by tests.
    Manual(Arc<ManualClock>),
}

impl Clock {
    pub(crate) fn coarse() -> Clock {
        Clock::Coarse
    }

    pub(crate) fn boot() -> Clock {
        Clock::Boot
    }

    pub(crate) fn manual(clock: Arc<ManualClock>) -> Clock {
        Clock::Manual(clock)
    }

    #[inline]
    pub(crate) fn now_ms(&self) -> u64 {
        match self {
            Clock::Coarse => system::coarse_ms(),
            Clock::Boot => system::boot_ms(),
            Clock::Manual(clock) => clock.now_ms(),
        }
    }
}

/// A clock that stands still until it is moved, for tests of expiry.
///
/// `tokio::time::pause` does not move the cache's clock: this does, and does not move tokio's.
pub struct ManualClock {
    now_ms: AtomicU64,
}

impl ManualClock {
    /// Late enough that nothing measured backwards from it goes below zero.
    const START_MS: u64 = 1_000_000_000;

    /// A clock that stands still at some moment.
    pub fn new() -> ManualClock {
        ManualClock { now_ms: AtomicU64::new(Self::START_MS) }
    }

    /// Moves the clock forward by whole milliseconds; a remainder below one is dropped.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let forward = |now: u64| Some(now.saturating_add(by));
        // The closure never refuses, so there is no failure to look at.
        let _ = self.now_ms.fetch_update(Ordering::AcqRel, Ordering::Acquire, forward);
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Acquire)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        ManualClock::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock").field("now_ms", &self.now_ms()).finish()
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use rustix::time::{ClockId, Timespec, clock_gettime};

    #[inline]
    pub(super) fn coarse_ms() -> u64 {
        to_ms(clock_gettime(ClockId::MonotonicCoarse))
    }

    #[inline]
    pub(super) fn boot_ms() -> u64 {
        to_ms(clock_gettime(ClockId::Boottime))
    }

    /// Both clocks count from the machine's start, so neither field is ever negative.
    #[inline]
    fn to_ms(time: Timespec) -> u64 {
        time.tv_sec as u64 * 1_000 + time.tv_nsec as u64 / 1_000_000
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use std::{sync::LazyLock, time::Instant};

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub(super) fn coarse_ms() -> u64 {
        boot_ms()
    }

    pub(super) fn boot_ms() -> u64 {
        START.elapsed().as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clocks_never_go_back() {
        for clock in [Clock::coarse(), Clock::boot()] {
            let mut last = clock.now_ms();
            for _ in 0..10_000 {
                let now = clock.now_ms();
                assert!(now >= last, "{clock:?}: {now} after {last}");
                last = now;
            }
        }
    }

    #[test]
    fn system_clocks_advance() {
        for clock in [Clock::coarse(), Clock::boot()] {
            let start = clock.now_ms();
            while clock.now_ms() == start {
                std::hint::spin_loop();
            }
            assert!(clock.now_ms() - start < 10_000);
        }
    }

    #[test]
    fn manual_clock_moves_only_when_told() {
        let manual = Arc::new(ManualClock::new());
        let clock = Clock::manual(manual.clone());
        let start = clock.now_ms();
        assert_eq!(clock.now_ms(), start);
        manual.advance(Duration::from_micros(2_999));
        assert_eq!(clock.now_ms(), start + 2);
        manual.advance(Duration::MAX);
        assert_eq!(clock.now_ms(), u64::MAX);
    }
}
