//! What a layer was told, and what its services share.

use std::{sync::Arc, time::Duration};

use cachekit_core::{Cache, Fence, Key};
use http::Method;

use super::snapshot::Snapshot;
use crate::{
    collect::Bounds,
    flight::{Flights, Marks},
    grpc::Methods,
    key::Keys,
    reject::Rejecter,
    security::{Credentials, Shown},
};

/// The name under which the layer counts, and keeps its identities apart.
pub(super) const NAME: &str = "singleflight";

#[derive(Debug)]
pub(super) struct Config {
    pub(super) keys: Keys,
    pub(super) methods: Vec<Method>,
    pub(super) calls: Methods,
    pub(super) credentials: Credentials,
    pub(super) shown: Shown,
    /// What verifies runs, where they are fenced.
    pub(super) cache: Option<Cache>,
    pub(super) share_failures: bool,
    pub(super) wait_timeout: Duration,
    pub(super) run_timeout: Duration,
    pub(super) response: Bounds,
    pub(super) request: Bounds,
    pub(super) rejecter: Rejecter,
    pub(super) flights: Arc<Flights<Arc<Snapshot>>>,
    pub(super) marks: Marks,
}

impl Config {
    pub(super) async fn fence(&self, keys: &[Key]) -> Option<Fence> {
        match &self.cache {
            Some(cache) => Some(cache.fence(keys).await),
            None => None,
        }
    }

    pub(super) async fn holds(&self, fence: Option<&Fence>) -> bool {
        match (&self.cache, fence) {
            (Some(cache), Some(fence)) => cache.verify(fence).await,
            // Whoever may join without one is covered, or has waived the promise.
            _ => true,
        }
    }

    pub(super) fn is_dirty(&self, keys: &[Key]) -> bool {
        self.cache.as_ref().is_some_and(|cache| cache.is_dirty(keys))
    }
}
