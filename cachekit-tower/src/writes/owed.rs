//! The invalidation that a request owes.

use std::{fmt, sync::Arc, task::Waker, time::Duration};

use cachekit_core::{Cache, Key, Outcome};
use http::response::Parts;

use super::Invalidations;
use crate::observe;

/// Finds keys in a response's head.
type FromResponse = dyn Fn(&Parts) -> Vec<Key> + Send + Sync;

/// How the requests of a layer pay what they owe.
pub(crate) struct Terms {
    pub(crate) cache: Cache,
    pub(crate) from_response: Vec<Arc<FromResponse>>,
    pub(crate) again_after: Option<Duration>,
    /// Whether responses say that an invalidation is under way still.
    pub(crate) report: bool,
    /// Whether requests are counted here.
    pub(crate) counted: bool,
}

impl Terms {
    /// Nothing but the keys of requests, once.
    pub(crate) fn plain(cache: Cache) -> Self {
        let from_response = Vec::new();
        Self { cache, from_response, again_after: None, report: false, counted: false }
    }

    fn count(&self, outcome: &'static str) {
        if self.counted {
            observe::invalidated(outcome);
        }
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("again_after", &self.again_after)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// Keys to invalidate however the handler ends. Dropped, by a panic or with a handler that was cancelled, it hands them
/// in: nobody can tell whether the database has done the write.
#[derive(Debug)]
pub(crate) struct Owed {
    terms: Arc<Terms>,
    /// `None` once they were handed in, or need not be.
    keys: Option<Vec<Key>>,
    named: Invalidations,
}

impl Owed {
    pub(crate) fn new(terms: Arc<Terms>, keys: Vec<Key>) -> Self {
        let named = Invalidations::new(&terms.cache);
        Self { terms, keys: Some(keys), named }
    }

    /// Where the handler may add to it.
    pub(crate) fn named(&self) -> &Invalidations {
        &self.named
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Adds what the response names.
    pub(super) fn add_response(&mut self, head: &Parts) {
        let found = self.terms.from_response.iter().flat_map(|find| find(head));
        self.keys.get_or_insert_default().extend(found);
    }

    /// The response proved that nothing was written.
    pub(super) fn disarm(mut self) {
        self.terms.count("kept");
        self.keys = None;
        drop(self.named.close());
    }

    /// Invalidates what is known so far, and goes on to owe it: more may be written.
    pub(super) async fn invalidate(&self) -> Outcome {
        let mut keys = self.keys.clone().unwrap_or_default();
        keys.extend(self.named.keys());
        invalidate(&self.terms.cache, keys).await
    }

    /// Invalidates all of it.
    ///
    /// # Cancel safety
    ///
    /// Once polled, it takes its course.
    pub(super) async fn settle(mut self) -> Outcome {
        let keys = self.take().unwrap_or_default();
        let outcome = invalidate(&self.terms.cache, keys).await;
        self.terms.count(outcome.as_str());
        outcome
    }

    fn take(&mut self) -> Option<Vec<Key>> {
        let mut keys = self.keys.take()?;
        keys.extend(self.named.close());
        if let Some(after) = self.terms.again_after {
            self.terms.cache.invalidate_later(keys.iter().cloned(), after);
        }
        Some(keys)
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some(keys) = self.take() {
            submit(&self.terms.cache, keys);
        }
    }
}

async fn invalidate(cache: &Cache, keys: Vec<Key>) -> Outcome {
    if keys.is_empty() {
        return Outcome::Applied;
    }
    let outcomes = cache.invalidate_many(keys).await;
    let pending = outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Pending);
    if pending { Outcome::Pending } else { Outcome::Applied }
}

/// Hands the keys in, and waits for nothing.
pub(super) fn submit(cache: &Cache, keys: Vec<Key>) {
    if keys.is_empty() {
        return;
    }
    let invalidation = std::pin::pin!(cache.invalidate_many(keys));
    // Once polled it takes its course.
    let _pending = invalidation.poll(&mut std::task::Context::from_waker(Waker::noop()));
}
