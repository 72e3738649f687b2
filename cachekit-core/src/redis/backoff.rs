//! How long the link rests before it tries again: short after a loss, longer each time it stalls again.

use std::time::Duration;

use tokio::time::Instant;

use crate::retry::{doubled, full_jitter};

const LOSS_FIRST: Duration = Duration::from_millis(50);
/// What waits for Redis to be back is to be dealt with within 2 s of that.
const LOSS_MOST: Duration = Duration::from_secs(1);
const STALL_FIRST: Duration = Duration::from_secs(1);
const STALL_MOST: Duration = Duration::from_secs(30);

/// A link that was up this long before it stalled is not flapping.
const STEADY: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    stalls: u32,
    /// Since the last stall no connection has proved itself.
    probation: bool,
    up_since: Option<Instant>,
}

impl Backoff {
    /// Whether the next connection must answer a PING quickly before it counts as up.
    pub(super) fn on_probation(&self) -> bool {
        self.probation
    }

    pub(super) fn connected(&mut self) {
        self.failures = 0;
        self.probation = false;
        self.up_since = Some(Instant::now());
    }

    /// The pause after a connection that was refused or broke, or did not prove itself: that one was given to nobody, so
    /// to try again costs no reader anything.
    pub(super) fn after_loss(&mut self) -> Duration {
        if self.probation {
            return half_jitter(LOSS_MOST);
        }
        let most = doubled(LOSS_FIRST, self.failures, LOSS_MOST);
        self.failures += 1;
        full_jitter(most)
    }

    /// The pause after Redis left commands unanswered. It keeps growing while the link stalls again soon:
    /// a slow Redis must not cost every reader a response time-out over and over.
    pub(super) fn after_stall(&mut self) -> Duration {
        if self.up_since.take().is_some_and(|since| since.elapsed() >= STEADY) {
            self.stalls = 0;
        }
        self.probation = true;
        let pause = doubled(STALL_FIRST, self.stalls, STALL_MOST);
        self.stalls += 1;
        half_jitter(pause)
    }
}

fn half_jitter(most: Duration) -> Duration {
    most.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(pause: Duration, seconds: f64) {
        assert!((seconds / 2.0..=seconds).contains(&pause.as_secs_f64()), "{pause:?}");
    }

    #[test]
    fn losses_are_retried_soon_and_at_most_a_second_later() {
        let mut backoff = Backoff::default();
        for most in [50, 100, 200, 400, 800, 1000, 1000] {
            assert!(backoff.after_loss() <= Duration::from_millis(most));
        }
        backoff.connected();
        assert!(backoff.after_loss() <= Duration::from_millis(50));
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_after_stalls_double_until_the_link_has_been_steady() {
        let mut backoff = Backoff::default();
        within(backoff.after_stall(), 1.0);
        assert!(backoff.on_probation());
        backoff.connected();
        assert!(!backoff.on_probation());
        for seconds in [2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
            within(backoff.after_stall(), seconds);
        }
        backoff.connected();
        tokio::time::advance(STEADY).await;
        within(backoff.after_stall(), 1.0);
    }

    /// Else a Redis that was frozen for half a minute would be back for a quarter of one before anybody noticed.
    #[tokio::test(start_paused = true)]
    async fn attempts_during_a_long_stall_do_not_become_rarer() {
        let mut backoff = Backoff::default();
        backoff.connected();
        let _first = backoff.after_stall();
        for _attempt in 0..20 {
            within(backoff.after_loss(), 1.0);
            assert!(backoff.on_probation());
        }
        backoff.connected();
        // The next stall is the second one.
        within(backoff.after_stall(), 2.0);
    }
}
