//! The invalidation that a request owes.

use std::{sync::Arc, task::Waker};

use cachekit_core::{Key, Outcome};
use http::response::Parts;

use super::{Invalidations, layer::Shared};
use crate::observe;

/// Keys to invalidate however the handler ends. Dropped, by a panic or with a handler that was cancelled, it hands them
/// in: nobody can tell whether the database has done the write.
#[derive(Debug)]
pub(super) struct Owed {
    shared: Arc<Shared>,
    /// `None` once they were handed in, or need not be.
    keys: Option<Vec<Key>>,
    invalidations: Invalidations,
}

impl Owed {
    pub(super) fn new(shared: Arc<Shared>, keys: Vec<Key>, invalidations: Invalidations) -> Self {
        Self { shared, keys: Some(keys), invalidations }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Adds what the response names.
    pub(super) fn add_response(&mut self, head: &Parts) {
        let found =
            self.shared.from_response.iter().flat_map(|find| find(head)).collect::<Vec<_>>();
        self.keys.get_or_insert_default().extend(found);
    }

    /// The response proved that nothing was written.
    pub(super) fn disarm(mut self) {
        observe::invalidated("kept");
        self.keys = None;
        drop(self.invalidations.close());
    }

    /// Invalidates what is known so far, and goes on to owe it: more may be written.
    pub(super) async fn invalidate(&self) -> Outcome {
        let mut keys = self.keys.clone().unwrap_or_default();
        keys.extend(self.invalidations.keys());
        self.shared.invalidate(keys).await
    }

    /// Invalidates all of it.
    ///
    /// # Cancel safety
    ///
    /// Once polled, it takes its course.
    pub(super) async fn settle(mut self) -> Outcome {
        let keys = self.take().unwrap_or_default();
        let outcome = self.shared.invalidate(keys).await;
        observe::invalidated(outcome.as_str());
        outcome
    }

    fn take(&mut self) -> Option<Vec<Key>> {
        let mut keys = self.keys.take()?;
        keys.extend(self.invalidations.close());
        if let Some(after) = self.shared.again_after {
            self.shared.cache.invalidate_later(keys.iter().cloned(), after);
        }
        Some(keys)
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some(keys) = self.take() {
            submit(&self.shared.cache, keys);
        }
    }
}

/// Hands the keys in, and waits for nothing.
pub(super) fn submit(cache: &cachekit_core::Cache, keys: Vec<Key>) {
    if keys.is_empty() {
        return;
    }
    let invalidation = std::pin::pin!(cache.invalidate_many(keys));
    // Once polled it takes its course.
    let _pending = invalidation.poll(&mut std::task::Context::from_waker(Waker::noop()));
}
