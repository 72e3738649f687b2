//! How long a caller waits for an answer, and how many loads of one template run at once.

use std::time::Duration;

use super::Policy;

/// What bounds the loads of one function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// 0: none.
    pub(super) hard_timeout_ms: u64,
    /// 0: as many as the cache allows.
    pub(super) max_loads: usize,
    /// 0: none.
    pub(super) soft_timeout_ms: u64,
    /// 0: the default.
    pub(super) retry_after_ms: u64,
    pub(super) even_invalidated: bool,
}

impl Bounds {
    pub(super) const NONE: Self = Self {
        hard_timeout_ms: 0,
        max_loads: 0,
        soft_timeout_ms: 0,
        retry_after_ms: 0,
        even_invalidated: false,
    };
}

impl Policy {
    /// How long a caller waits, all in all, before it is given an error of kind
    /// [`Timeout`](crate::ErrorKind::Timeout); without end by default.
    ///
    /// Waiting for another caller's load and for a turn (see
    /// [`max_loads`](crate::CacheBuilder::max_loads)) counts. What was being loaded is cancelled: if
    /// nobody else waits for the key the loader's future is dropped, else another waiter loads. At
    /// least 1 ms.
    ///
    /// Only a function whose error can hold a [`cachekit::Error`](crate::Error) can be told so: it
    /// has no effect on [`Cache::get_or_load`](crate::Cache::get_or_load), call
    /// [`Cache::try_get_or_load`](crate::Cache::try_get_or_load).
    ///
    /// ```
    /// use std::time::Duration;
    /// use cachekit::{Cache, ErrorKind, Policy, key};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cachekit::Error> {
    /// let cache = Cache::builder().build()?;
    /// let policy = Policy::new(Duration::from_secs(60)).hard_timeout(Duration::from_millis(20));
    /// let load = async || std::future::pending::<Result<u64, cachekit::Error>>().await;
    /// let error = cache.try_get_or_load(key!("slow"), &policy, load).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Timeout);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn hard_timeout(mut self, limit: Duration) -> Self {
        self.bounds.hard_timeout_ms = super::policy::at_least_1(super::policy::millis(limit));
        self
    }

    /// How many loads of keys of one template run at once in this process; as many as the
    /// [cache allows](crate::CacheBuilder::max_loads) by default. 0 counts as 1.
    ///
    /// Callers beyond it wait for a turn, as they do for one of the cache's.
    #[must_use]
    pub const fn max_loads(mut self, loads: usize) -> Self {
        self.bounds.max_loads = if loads == 0 { 1 } else { loads };
        self
    }

    /// The same for callers that can be given no error of ours.
    pub(crate) const fn untimed(mut self) -> Self {
        self.bounds.hard_timeout_ms = 0;
        self
    }

    pub(crate) fn time_limit(&self) -> Option<Duration> {
        let limit = self.bounds.hard_timeout_ms;
        (limit > 0).then(|| Duration::from_millis(limit))
    }

    /// How many loads of its template may run at once, if it says so.
    pub(super) fn loads_of_template(&self) -> Option<usize> {
        (self.bounds.max_loads > 0).then_some(self.bounds.max_loads)
    }
}
