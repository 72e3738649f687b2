//! For how long, and when, an answer that is out of date will do.

use std::time::Duration;

use super::{
    CacheBuilder, Policy,
    policy::{at_least_1, millis},
};

/// How long a load that failed is not tried again where nothing else is said.
const RETRY_AFTER_MS: u64 = 1_000;

/// When the source fails, or takes its time.
impl Policy {
    /// Keeps values for this long after their TTL, and answers one of them, as
    /// [`Status::Stale`](crate::Status::Stale), in the place of a load that failed, that ran into its
    /// [`hard_timeout`](Self::hard_timeout), or for which there is no turn (see
    /// [`max_loads`](crate::CacheBuilder::max_loads)); nothing is by default.
    ///
    /// What was invalidated is never answered: before it is, the old value is looked up once more. So over Redis
    /// it takes a Redis that can be reached; see [`even_invalidated`](Self::even_invalidated).
    ///
    /// After a failure this process does not try again for [`retry_after`](Self::retry_after), and its callers are
    /// given the old value at once. Who must know asks [`with_freshness`](crate::with_freshness).
    ///
    /// ```
    /// use std::time::Duration;
    /// use cachekit::{Cache, Policy, Status, key, testing, with_status};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (clock, builder) = testing::clock();
    /// let cache = builder.build()?;
    /// let policy = Policy::new(Duration::from_secs(60)).stale_if_error(Duration::from_secs(3600));
    /// let read = |out| {
    ///     let (cache, policy) = (&cache, &policy);
    ///     async move { with_status(cache.get_or_load(key!("rate"), policy, async || out)).await }
    /// };
    /// assert_eq!(read(Ok(7)).await, (Ok(7), Status::Loaded));
    /// clock.advance(Duration::from_secs(90));
    /// assert_eq!(read(Err("the database is away")).await, (Ok(7), Status::Stale));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error_ms = millis(window);
        self
    }

    /// Lets [`stale_if_error`](Self::stale_if_error) answer even with a value that was **invalidated**, or that
    /// cannot be looked up since Redis is away too: the last one that this process has had in its hands.
    ///
    /// It may be older than a write that has returned. For what is better old than not there at all: texts,
    /// settings, prices that the till asks for again. How many values are remembered for it is the builder's
    /// [`last_known`](crate::CacheBuilder::last_known); each for the TTL and the window from when it was seen last.
    #[must_use]
    pub const fn even_invalidated(mut self) -> Self {
        self.bounds.even_invalidated = true;
        self
    }

    /// How long a load that failed is not tried again in this process while there is an old value to answer with;
    /// 1 s by default, give or take a fifth, and doubling with each failure in a row up to eight times that.
    #[must_use]
    pub const fn retry_after(mut self, pause: Duration) -> Self {
        self.bounds.retry_after_ms = at_least_1(millis(pause));
        self
    }

    /// How long a caller waits for a load while there is an old value to answer with, as
    /// [`Status::Stale`](crate::Status::Stale); without end by default. The load goes on in the background and
    /// fills the cache.
    ///
    /// There is one within [`stale_while_revalidate`](Self::stale_while_revalidate) or
    /// [`stale_if_error`](Self::stale_if_error) after its TTL; without either this has no effect. The load runs in a
    /// task of its own from its beginning, with arguments of its own, so it works under an attribute and under
    /// [`get_or_refresh`](crate::Cache::get_or_refresh), and nowhere else. While it runs all callers wait for it,
    /// each for this long.
    #[must_use]
    pub const fn soft_timeout(mut self, limit: Duration) -> Self {
        self.bounds.soft_timeout_ms = at_least_1(millis(limit));
        self
    }

    /// How long a caller waits that has an old value, if it does not wait for the end of the load.
    pub(crate) const fn patience_with_old(&self) -> Option<Duration> {
        match self.bounds.soft_timeout_ms {
            0 => None,
            limit if self.is_in_background() => Some(Duration::from_millis(limit)),
            _ => None,
        }
    }

    pub(crate) const fn retry_after_ms(&self) -> u64 {
        match self.bounds.retry_after_ms {
            0 => RETRY_AFTER_MS,
            pause => pause,
        }
    }

    pub(crate) const fn serves_invalidated(&self) -> bool {
        self.bounds.even_invalidated
    }

    /// Whether an entry that has been out of date for so long is answered in the place of a load that failed.
    pub(crate) const fn tolerates(&self, for_ms: u64) -> bool {
        for_ms < self.stale_if_error_ms
    }

    /// Whether it is answered where a load takes too long.
    pub(crate) const fn bridges(&self, for_ms: u64) -> bool {
        self.patience_with_old().is_some() && (self.tolerates(for_ms) || self.revalidates(for_ms))
    }
}

impl CacheBuilder {
    /// How many values are remembered for [`Policy::even_invalidated`]; 10 000 by default, and none where no policy
    /// says that.
    pub fn last_known(mut self, values: usize) -> Self {
        self.limits.last_known = values;
        self
    }
}
