//! The layer.

use std::sync::Arc;

use cachekit_core::Cache;
use tower_layer::Layer;

use super::{SingleflightBuilder, SingleflightService, config::Config};
use crate::flight::Join;

/// Runs the handler once for identical concurrent requests; see the [module docs](super).
///
/// Services that it makes share their flights, and so do those of its clones.
#[derive(Clone, Debug)]
pub struct SingleflightLayer {
    config: Arc<Config>,
}

impl SingleflightLayer {
    /// Builds a layer whose requests join no run that has begun: whoever comes meanwhile shares the next one.
    #[expect(clippy::new_ret_no_self, reason = "settings are checked all at once")]
    pub fn new() -> SingleflightBuilder {
        SingleflightBuilder::new(Join::Fresh, None)
    }

    /// Builds a layer whose requests join any run, if no key of theirs was invalidated through `cache` since it began;
    /// in any process, where the cache has a Redis.
    pub fn fenced(cache: &Cache) -> SingleflightBuilder {
        SingleflightBuilder::new(Join::Fenced, Some(cache.clone()))
    }

    /// Builds a layer whose requests join any run, however long ago that began.
    ///
    /// <div class="warning">
    ///
    /// An answer may be older than its request: whoever writes and then reads may be given what was before the write.
    /// This is for pure computations, which depend on nothing but the request.
    ///
    /// </div>
    pub fn running() -> SingleflightBuilder {
        SingleflightBuilder::new(Join::Running, None)
    }

    pub(super) fn of(config: Config) -> Self {
        Self { config: Arc::new(config) }
    }
}

impl<S> Layer<S> for SingleflightLayer {
    type Service = SingleflightService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SingleflightService::new(inner, self.config.clone())
    }
}
