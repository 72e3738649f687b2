//! Running something until it works or the policy ends.

use std::time::Duration;

use super::{RetryPolicy, Transient};
use crate::sync::{self, Instant};

/// Runs `attempt` until it succeeds, fails for good, or the policy allows no other attempt.
///
/// Only errors that are [`Transient`] are tried again, after a pause with full jitter. Give it work that may be done
/// twice: a transaction that failed as a whole, say, and not the second half of one.
///
/// # Errors
///
/// The error of the last attempt.
///
/// # Cancel safety
///
/// Dropped at a pause, no other attempt is begun; dropped in mid-attempt, that attempt's future is dropped.
pub async fn retry<T, E, F, Fut>(policy: &RetryPolicy, attempt: F) -> Result<T, E>
where
    E: Transient,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let (result, _) = pause_while(policy, attempt, E::is_transient).await;
    result
}

/// Runs `attempt` while its errors are of the kind that `again` tells and the policy allows; says how often.
pub(crate) async fn pause_while<T, E, F, Fut>(
    policy: &RetryPolicy,
    mut attempt: F,
    again: impl Fn(&E) -> bool,
) -> (Result<T, E>, u32)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let mut tries = Tries::begin(*policy);
    loop {
        match attempt().await {
            Err(error) if again(&error) => {
                if !tries.pause().await {
                    return (Err(error), tries.failed);
                }
            }
            result => return (result, tries.failed + 1),
        }
    }
}

/// Counts failed attempts and pauses between them.
#[derive(Debug)]
pub(crate) struct Tries {
    policy: RetryPolicy,
    begun: Instant,
    failed: u32,
}

impl Tries {
    pub(crate) fn begin(policy: RetryPolicy) -> Self {
        Self { policy, begun: sync::now(), failed: 0 }
    }

    /// Notes a failure and waits. `false`, at once: there is to be no other attempt.
    pub(crate) async fn pause(&mut self) -> bool {
        self.failed += 1;
        match self.policy.next(self.failed, self.elapsed()) {
            Some(pause) => sync::sleep(pause).await,
            None => return false,
        }
        true
    }

    fn elapsed(&self) -> Duration {
        sync::now().saturating_duration_since(self.begun)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, io};

    use super::*;

    const AWAY: io::ErrorKind = io::ErrorKind::ConnectionRefused;

    async fn failing(policy: &RetryPolicy, kind: io::ErrorKind) -> (u32, Duration) {
        let (tries, begun) = (Cell::new(0), Instant::now());
        let result = retry(policy, || async {
            tries.set(tries.get() + 1);
            Err::<(), _>(io::Error::from(kind))
        });
        assert_eq!(result.await.unwrap_err().kind(), kind);
        (tries.get(), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn transient_errors_are_tried_again_until_one_attempt_succeeds() {
        let tries = Cell::new(0);
        let policy = RetryPolicy::new();
        let result = retry(&policy, || async {
            tries.set(tries.get() + 1);
            if tries.get() < 4 { Err(io::Error::from(AWAY)) } else { Ok(tries.get()) }
        });
        assert_eq!(result.await.unwrap(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_bounded_by_number() {
        let (tries, took) = failing(&RetryPolicy::new().max_attempts(4), AWAY).await;
        assert_eq!(tries, 4);
        // Timers have a resolution of 1 ms.
        assert!(took <= Duration::from_millis(50 + 100 + 200 + 3), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_bounded_by_time() {
        let limit = Duration::from_secs(5);
        let policy = RetryPolicy::new().max_attempts(u32::MAX).within(limit);
        let (tries, took) = failing(&policy, AWAY).await;
        assert!(tries > 3 && took <= limit + Duration::from_millis(100), "{tries} in {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn permanent_errors_are_not_tried_again() {
        let (tries, took) = failing(&RetryPolicy::new(), io::ErrorKind::InvalidData).await;
        assert_eq!((tries, took), (1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_begun_once_it_was_dropped_in_a_pause() {
        let tries = Cell::new(0);
        let policy =
            RetryPolicy::new().base(Duration::from_secs(3600)).cap(Duration::from_secs(3600));
        let policy = policy.within(Duration::from_secs(7200));
        let endless = retry(&policy, || async {
            tries.set(tries.get() + 1);
            Err::<(), _>(io::Error::from(AWAY))
        });
        let dropped = tokio::time::timeout(Duration::from_millis(1), endless).await;
        assert!(dropped.is_err());
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(tries.get(), 1);
    }
}
