//! For tests of code that caches: isolated caches, a clock that stands still, the audit.

#[cfg(feature = "testing")]
mod faulty;

#[cfg(feature = "testing")]
#[doc(hidden)]
pub use crate::redis::{Probed, Steps};

#[cfg(feature = "testing")]
pub use crate::observe::{Recorded, Recorder};
#[cfg(feature = "testing")]
pub use faulty::{Faults, faulty};

use std::sync::Arc;

use crate::{
    cache::{Cache, CacheBuilder, Context},
    clock::{self, ManualClock},
};

/// Runs `future` with a cache of its own, in this process: what `#[cachekit::isolated]` does to a
/// test.
///
/// # Cancel safety
///
/// As `future`.
pub async fn isolated<F: Future>(future: F) -> F::Output {
    let cache = Cache::builder().build().expect("the defaults make a cache");
    cache.scope(future).await
}

/// [`isolated`] for a plain function that blocks on its test.
///
/// `#[tokio::test]` and its like expand before an attribute below them and leave such a function;
/// what it blocks on is polled in its own thread, and so is in the scope.
pub fn isolated_sync<T>(work: impl FnOnce() -> T) -> T {
    let cache = Cache::builder().build().expect("the defaults make a cache");
    let mut context = Context::current();
    context.cache = Some(cache);
    context.enter(work)
}

/// A clock that stands still until it is moved, and a builder of caches that go by it.
///
/// ```
/// use std::time::Duration;
///
/// let (clock, builder) = cachekit_core::testing::clock();
/// let cache = builder.build()?;
/// clock.advance(Duration::from_secs(3600)); // whatever lived shorter is gone
/// # Ok::<(), cachekit_core::Error>(())
/// ```
pub fn clock() -> (Arc<ManualClock>, CacheBuilder) {
    let manual = Arc::new(ManualClock::new());
    let builder = Cache::builder().clock(clock::Clock::manual(manual.clone()));
    (manual, builder)
}

/// Fails the test if the cache's audit has findings; see [`Audit`](crate::audit::Audit).
///
/// # Panics
///
/// With the list of findings, if there are any.
#[track_caller]
pub fn assert_audit_clean(cache: &Cache) {
    let audit = cache.audit();
    assert!(audit.is_clean(), "the cache's call sites do not match:\n{audit}");
}
