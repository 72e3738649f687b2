//! The layer.

use std::marker::PhantomData;

use cachekit_core::Cache;
use tower_layer::Layer;

use super::ScopeService;

/// Requests and responses are HTTP: the scope is an extension and reaches the body.
#[derive(Clone, Copy, Debug)]
pub enum Http {}

/// Requests and responses are of any type.
#[derive(Clone, Copy, Debug)]
pub enum AnyRequest {}

/// Binds a cache to each request; see the [module docs](super).
#[derive(Clone, Debug)]
pub struct ScopeLayer<K = Http> {
    cache: Cache,
    kind: PhantomData<fn() -> K>,
}

impl ScopeLayer<Http> {
    /// For HTTP and gRPC.
    #[must_use]
    pub fn new(cache: Cache) -> Self {
        Self { cache, kind: PhantomData }
    }
}

impl ScopeLayer<AnyRequest> {
    /// For services whose requests are not HTTP. The scope ends with the response: there is no
    /// body to follow, and no extension to put it into.
    #[must_use]
    pub fn for_any_request(cache: Cache) -> Self {
        Self { cache, kind: PhantomData }
    }
}

impl<S, K> Layer<S> for ScopeLayer<K> {
    type Service = ScopeService<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        ScopeService::new(inner, self.cache.clone())
    }
}
