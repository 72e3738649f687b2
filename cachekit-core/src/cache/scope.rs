//! A cache bound to a piece of work that is polled from outside, such as a request.

use std::{fmt, sync::Arc};

use super::{Cache, Context};
use crate::{
    key::Key,
    sync::{Mutex, lock},
};

/// How many invalidated keys a scope remembers.
const KEYS: usize = 1024;

/// Binds a [`Cache`] to the work of one request, and notes which keys that work invalidated.
///
/// Middleware enters it for every poll of what it wraps. A clone is the same scope; spawned tasks
/// inherit nothing and [`run`](Self::run) in it. For a single future [`Cache::scope`] is enough.
///
/// ```
/// use cachekit_core::{Cache, Scope};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cachekit_core::Error> {
/// let scope = Scope::new(Cache::builder().build()?);
/// scope.run(async { /* cached functions use that cache here */ }).await;
/// assert!(scope.invalidated().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Scope {
    cache: Cache,
    collector: Collector,
}

/// Where invalidated keys are noted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collector(Arc<Mutex<Vec<Key>>>);

impl Scope {
    /// A scope in which `cache` is the one that is used where none is named.
    #[must_use]
    pub fn new(cache: Cache) -> Self {
        Self { cache, collector: Collector::default() }
    }

    /// The cache.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The keys that were invalidated in this scope so far, each once, in order; the first 1024.
    #[must_use]
    pub fn invalidated(&self) -> Vec<Key> {
        lock(&self.collector.0).clone()
    }

    /// Runs `work` in this scope. For the `poll` and the `Drop` of middleware; it must not block.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        self.context().enter(work)
    }

    /// Runs `future` in this scope.
    ///
    /// # Cancel safety
    ///
    /// As `future`.
    pub async fn run<F: Future>(&self, future: F) -> F::Output {
        self.context().scope(future).await
    }

    fn context(&self) -> Context {
        Context {
            cache: Some(self.cache.clone()),
            collector: Some(self.collector.clone()),
            ..Context::current()
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl Collector {
    pub(crate) fn add(&self, key: &Key) {
        let mut keys = lock(&self.0);
        if keys.len() < KEYS && !keys.contains(key) {
            keys.push(key.clone());
        }
    }
}
