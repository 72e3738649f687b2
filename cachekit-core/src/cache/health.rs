//! How a cache is doing, for those who watch it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::{Cache, CacheBuilder};
use crate::{engine::Engine, observe::Hook};

/// How a cache is doing; see [`Cache::health`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Whether the store that processes share can be used; `true` for a cache that lives in this
    /// process alone.
    pub store_is_up: bool,
    /// For how long that has been so; `None` for a cache that lives in this process alone.
    pub store_since: Option<Duration>,
    /// Why every read goes past the cache now, if so: `down` (the store cannot be used),
    /// `queue_full` (more invalidations wait than the queue may hold) or `too_many_doubts` (of too
    /// many COMMITs it is not known what became of them).
    pub bypass: Option<&'static str>,
    /// Keys whose invalidation has not reached the store yet.
    pub pending_invalidations: usize,
    /// Loads that run now, except those inside another one.
    pub loads_running: usize,
    /// Callers that wait for a turn to load.
    pub loads_waiting: usize,
}

/// The connection to the store came or went; see [`CacheBuilder::on_store_change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreChange {
    /// Whether it can be used from now on.
    pub is_up: bool,
}

impl Cache {
    /// How this cache is doing, without asking anybody: for status pages and alerts.
    ///
    /// **Not for readiness.** A service whose cache is away is slower and as right as before; were it
    /// taken out of rotation for that, an outage of Redis would become one of the service. Have a
    /// readiness probe ask the database, and show this beside it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cachekit::Error> {
    /// let cache = cachekit::Cache::builder().build()?;
    /// let health = cache.health();
    /// assert!(health.store_is_up && health.bypass.is_none());
    /// assert_eq!((health.pending_invalidations, health.loads_waiting), (0, 0));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn health(&self) -> Health {
        let Some(engine) = self.engine() else { return Health::DISABLED };
        let store_is_up = engine.store.is_up();
        let down = (!store_is_up).then_some("down");
        Health {
            store_is_up,
            store_since: engine.store.changed_ago(),
            bypass: down.or_else(|| engine.all_barred()),
            pending_invalidations: engine.queue.len(),
            loads_running: engine.turns.running(),
            loads_waiting: engine.turns.waiting(),
        }
    }

    /// Tells the hook and the metrics when the connection comes or goes.
    pub(super) fn watch_store(&self, hook: Hook<StoreChange>) {
        let Some(engine) = self.engine().filter(|engine| engine.store.is_shared()) else { return };
        crate::sync::Runtime::current().spawn(watch(Arc::downgrade(engine), hook));
    }
}

impl Health {
    const DISABLED: Self = Self {
        store_is_up: true,
        store_since: None,
        bypass: None,
        pending_invalidations: 0,
        loads_running: 0,
        loads_waiting: 0,
    };
}

impl CacheBuilder {
    /// Called when the connection to the store goes, and when it is back. It must not block; a panic
    /// in it is caught and logged.
    pub fn on_store_change(mut self, hook: impl Fn(&StoreChange) + Send + Sync + 'static) -> Self {
        self.store_hook = Hook::new(hook);
        self
    }
}

/// Ends with its cache. A change that was taken back before it was seen is not told.
async fn watch(engine: Weak<Engine>, hook: Hook<StoreChange>) {
    let mut told = None;
    while let Some(engine) = engine.upgrade() {
        // Counted from here, so that a change after the look is seen.
        let changed = engine.store.changed();
        let is_up = engine.store.is_up();
        let earlier = told.replace(is_up);
        if earlier != Some(is_up) {
            engine.reporter.store_is_up(is_up);
        }
        if earlier.unwrap_or(true) != is_up {
            hook.call(&StoreChange { is_up });
        }
        drop(engine);
        changed.await;
    }
}
