//! One clock for all processes of this machine.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`, which every process of the machine reads alike.
#[must_use]
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).expect("the clock starts at zero");
    let rest = u64::try_from(time.tv_nsec).expect("a fraction of a second");
    seconds * 1_000_000_000 + rest
}
