//! The layer.

use std::sync::Arc;

use cachekit_core::Cache;
use tower_layer::Layer;

use super::{CacheLayerBuilder, CacheService, settings::Shared};

/// Keeps whole responses; see the [module docs](super).
///
/// Services of one layer, and of its clones, share what is under way. What is stored is the cache's.
#[derive(Clone, Debug)]
pub struct CacheLayer {
    shared: Arc<Shared>,
}

impl CacheLayer {
    /// Starts building a layer over `cache`.
    pub fn builder(cache: &Cache) -> CacheLayerBuilder {
        CacheLayerBuilder::new(cache)
    }

    pub(super) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CacheService::new(inner, self.shared.clone())
    }
}
