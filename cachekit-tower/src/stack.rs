//! Layers by name on tower's builder of services.

use cachekit_core::Cache;
use tower::{ServiceBuilder, layer::util::Stack};

use crate::{BloomLayer, InvalidateLayer, LockLayer, ScopeLayer, SingleflightLayer, SplitLayer};

/// Adds the layers to a [`ServiceBuilder`], the first one outermost.
///
/// ```
/// use cachekit_core::Cache;
/// use cachekit_tower::{ServiceBuilderExt as _, SingleflightLayer};
/// use tower::ServiceBuilder;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Cache::builder().build()?;
/// let reports = SingleflightLayer::fenced(&cache).path("/reports/{id}").key("report:<id>");
/// let stack = ServiceBuilder::new().cachekit_scope(cache.clone()).singleflight(reports.build()?);
/// # let _ = stack;
/// # Ok(())
/// # }
/// ```
pub trait ServiceBuilderExt<L>: sealed::Sealed {
    /// Binds a cache to each request: [`ScopeLayer`].
    fn cachekit_scope(self, cache: Cache) -> ServiceBuilder<Stack<ScopeLayer, L>>;

    /// Runs the handler once for identical concurrent requests: [`SingleflightLayer`].
    fn singleflight(self, layer: SingleflightLayer) -> ServiceBuilder<Stack<SingleflightLayer, L>>;

    /// Tells reads from writes, and carries sessions: [`SplitLayer`].
    fn split(self, layer: SplitLayer) -> ServiceBuilder<Stack<SplitLayer, L>>;

    /// Answers for ids that were never issued: [`BloomLayer`].
    fn bloom(self, layer: BloomLayer) -> ServiceBuilder<Stack<BloomLayer, L>>;

    /// Runs one handler at a time for a key: [`LockLayer`].
    fn lock(self, layer: LockLayer) -> ServiceBuilder<Stack<LockLayer, L>>;

    /// Invalidates what requests write: [`InvalidateLayer`].
    fn invalidate(self, layer: InvalidateLayer) -> ServiceBuilder<Stack<InvalidateLayer, L>>;
}

impl<L> ServiceBuilderExt<L> for ServiceBuilder<L> {
    fn cachekit_scope(self, cache: Cache) -> ServiceBuilder<Stack<ScopeLayer, L>> {
        self.layer(ScopeLayer::new(cache))
    }

    fn singleflight(self, layer: SingleflightLayer) -> ServiceBuilder<Stack<SingleflightLayer, L>> {
        self.layer(layer)
    }

    fn split(self, layer: SplitLayer) -> ServiceBuilder<Stack<SplitLayer, L>> {
        self.layer(layer)
    }

    fn bloom(self, layer: BloomLayer) -> ServiceBuilder<Stack<BloomLayer, L>> {
        self.layer(layer)
    }

    fn lock(self, layer: LockLayer) -> ServiceBuilder<Stack<LockLayer, L>> {
        self.layer(layer)
    }

    fn invalidate(self, layer: InvalidateLayer) -> ServiceBuilder<Stack<InvalidateLayer, L>> {
        self.layer(layer)
    }
}

mod sealed {
    pub trait Sealed {}

    impl<L> Sealed for tower::ServiceBuilder<L> {}
}
