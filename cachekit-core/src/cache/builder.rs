//! Building a cache.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{Cache, Copies, LastKnown, Looks, Marks, Renewals, StoreChange, Tasks, Turns};
use crate::{
    audit::Sites,
    clock::Clock,
    engine::Engine,
    error::{Error, ErrorKind},
    lock::Locks,
    observe::{Hook, Reporter},
    slot::Registry,
    store::{Replaced, Store},
    tier::{Bound, Coherence, Map},
    write::{DeadLetter, Queue},
};

/// Times and numbers that bound what a cache does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) lease_wait: Duration,
    pub(crate) leader_wait: Duration,
    pub(crate) load_timeout: Duration,
    pub(crate) load_limit: usize,
    pub(crate) max_loads: usize,
    pub(crate) load_queue: usize,
    pub(crate) load_wait: Duration,
    pub(crate) last_known: usize,
    pub(crate) refresh_limit: usize,
    pub(crate) invalidate_wait: Duration,
    pub(crate) quick_tries: u32,
    pub(crate) queue_limit: usize,
    pub(crate) shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lease_wait: Duration::from_secs(4),
            leader_wait: Duration::from_secs(5),
            load_timeout: Duration::from_secs(30),
            load_limit: 64,
            max_loads: 256,
            load_queue: 1024,
            load_wait: Duration::from_secs(5),
            last_known: 10_000,
            refresh_limit: 32,
            invalidate_wait: Duration::from_millis(200),
            quick_tries: 3,
            queue_limit: 100_000,
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

/// The in-process tier that a cache is to have.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) bound: Option<Bound>,
    pub(super) copies: Option<Copies>,
    pub(super) coherence: Option<Arc<Coherence>>,
}

impl Plan {
    /// Copies are compared with what happens elsewhere, also while this machine sleeps.
    fn clock(&self) -> Clock {
        if self.copies.is_some() { Clock::boot() } else { Clock::coarse() }
    }
}

/// Collects what a [`Cache`] is to be like. The defaults are safe; see each method.
///
/// ```
/// use cachekit_core::Cache;
///
/// let cache = Cache::builder().max_entries(50_000).build()?;
/// # Ok::<(), cachekit_core::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "call `build`"]
pub struct CacheBuilder {
    bound: Bound,
    pub(super) clock: Option<Clock>,
    hook: Hook<DeadLetter>,
    pub(super) store_hook: Hook<StoreChange>,
    reporter: Reporter,
    pub(super) limits: Limits,
    #[cfg(feature = "redis")]
    pub(super) remote: super::remote::Remote,
    pub(super) store: Store,
    /// Whether copies are made of what the double has.
    #[cfg(shuttle)]
    copies: bool,
}

impl Default for CacheBuilder {
    fn default() -> Self {
        Self {
            bound: Bound::Entries(10_000),
            clock: None,
            hook: Hook::default(),
            store_hook: Hook::default(),
            reporter: Reporter::default(),
            limits: Limits::default(),
            #[cfg(feature = "redis")]
            remote: super::remote::Remote::default(),
            store: Store::Embedded,
            #[cfg(shuttle)]
            copies: false,
        }
    }
}

impl CacheBuilder {
    /// How many entries the in-process tier may hold; 10 000 by default. Over Redis there is none unless
    /// `local` asks for it.
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.bound = Bound::Entries(entries);
        self
    }

    /// Bounds the in-process tier by weight instead; see [`Policy::weighed`](crate::Policy::weighed).
    ///
    /// `estimated_entries` sizes the tables. An entry heavier than one shard's share of the
    /// weight, at worst a small part of it, cannot stay and is not kept.
    pub fn max_weight(mut self, max: u64, estimated_entries: usize) -> Self {
        self.bound = Bound::Weight { max, estimated_entries };
        self
    }

    /// How many loads that no lease bounds may run at once, over all keys; 64 by default. Reads
    /// past a store that is away wait for one another here instead of overwhelming the database.
    pub fn load_limit(mut self, loads: usize) -> Self {
        self.limits.load_limit = loads;
        self
    }

    /// How many loads may run at once, over all keys, so that a cold start does not overwhelm the
    /// database; 256 by default. A good number is that of the connections in its pool.
    ///
    /// Who comes later waits for a turn. A load inside another one's takes none, or the two would
    /// wait for each other; one in a task that was spawned does, unless it was carried over by
    /// [`inherit`](crate::inherit). Reads past the cache on request, and those inside a
    /// transaction, do not count.
    ///
    /// A function with a `hard_timeout` that finds [`load_queue`](Self::load_queue) callers before
    /// it, or has waited for [`load_wait`](Self::load_wait), gets an error of kind
    /// [`Overloaded`](crate::ErrorKind::Overloaded). The others wait for
    /// [`load_timeout`](Self::load_timeout) and then load all the same.
    pub fn max_loads(mut self, loads: usize) -> Self {
        self.limits.max_loads = loads;
        self
    }

    /// How many callers that can be refused wait for a turn to load; 1024 by default.
    pub fn load_queue(mut self, callers: usize) -> Self {
        self.limits.load_queue = callers;
        self
    }

    /// How long a caller that can be refused waits for a turn to load; 5 s by default.
    pub fn load_wait(mut self, wait: Duration) -> Self {
        self.limits.load_wait = wait;
        self
    }

    /// How many loads may run in the background at once, over all keys; 32 by default, 0 for none. A load that finds
    /// no room is left to a later read of its key.
    pub fn refresh_limit(mut self, loads: usize) -> Self {
        self.limits.refresh_limit = loads;
        self
    }

    /// How long a lease is kept up for a load; 30 s by default. A slower load still answers its
    /// callers, and its value is not kept. Over Redis say it before `redis(..)`.
    pub fn load_timeout(mut self, timeout: Duration) -> Self {
        #[cfg(feature = "redis")]
        self.note_late("load_timeout");
        self.limits.load_timeout = timeout;
        self
    }

    /// How long a caller waits for another one that may have stopped being polled; 5 s by default,
    /// doubling with each time.
    pub fn leader_wait(mut self, wait: Duration) -> Self {
        self.limits.leader_wait = wait;
        self
    }

    /// How long a caller waits for another process's load before it loads without the cache; 4 s
    /// by default. Must exceed the lease's TTL, so that a killed process costs a wait and no herd.
    pub fn lease_wait(mut self, wait: Duration) -> Self {
        self.limits.lease_wait = wait;
        self
    }

    /// How long a writer waits for its invalidation before it is told
    /// [`Pending`](crate::Outcome::Pending); 200 ms by default.
    pub fn invalidate_wait(mut self, wait: Duration) -> Self {
        self.limits.invalidate_wait = wait;
        self
    }

    /// How many tries of an invalidation follow one another quickly before the
    /// [dead-letter hook](Self::on_dead_letter) hears of it; 3 by default. It goes on every 30 s,
    /// and at once when the store is back.
    pub fn quick_tries(mut self, tries: u32) -> Self {
        self.limits.quick_tries = tries;
        self
    }

    /// How many keys may wait for their invalidation; 100 000 by default. Beyond that the cache is
    /// read past altogether until the store is back and every entry of the namespace was deleted.
    pub fn queue_limit(mut self, keys: usize) -> Self {
        self.limits.queue_limit = keys;
        self
    }

    /// How long [`Cache::shutdown`] waits for [tracked](Cache::track) work and for invalidations; 10 s by default.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.limits.shutdown_timeout = timeout;
        self
    }

    /// Called with each invalidation that did not get through in its quick tries. It must not
    /// block; a panic in it is caught and logged.
    pub fn on_dead_letter(mut self, hook: impl Fn(&DeadLetter) + Send + Sync + 'static) -> Self {
        self.hook = Hook::new(hook);
        self
    }

    /// Records what the cache does, for a test to look at. Reads cost more then.
    #[cfg(feature = "testing")]
    pub fn record(mut self, recorder: &crate::observe::Recorder) -> Self {
        self.reporter.recorder = Some(recorder.clone());
        self
    }

    pub(crate) fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    #[cfg(shuttle)]
    pub(crate) fn double(mut self, store: Store, limits: Limits, copies: bool) -> Self {
        self.store = store;
        self.limits = limits;
        self.copies = copies;
        self
    }

    /// Builds the cache.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for limits that make no sense together.
    pub fn build(self) -> Result<Cache, Error> {
        self.check()?;
        let plan = self.plan();
        let clock = self.clock.clone().unwrap_or_else(|| plan.clock());
        #[cfg(feature = "redis")]
        let follower = self.remote.follower();
        let store_hook = self.store_hook;
        let locks = Arc::new(Locks::of_store(&self.store));
        let cache = Cache::from_engine(Engine {
            registry: Arc::new(Registry::new()),
            tier: plan.bound.map(Map::new).transpose()?,
            copies: plan.copies,
            coherence: plan.coherence,
            store: self.store,
            clock,
            limits: self.limits,
            loads: Arc::new(Semaphore::new(self.limits.load_limit)),
            turns: Turns::new(self.limits),
            last_known: LastKnown::new(self.limits.last_known),
            queue: Queue::new(self.limits, self.hook),
            reporter: self.reporter,
            replaced: Replaced::default(),
            looks: Looks::new(),
            marks: Marks::new(),
            renewals: Renewals::new(self.limits.refresh_limit),
            tasks: Arc::new(Tasks::new()),
            sites: Sites::default(),
            locks,
            bypass_all: AtomicBool::new(false),
            knows_tags: AtomicBool::new(false),
            #[cfg(feature = "_sqlx")]
            sql: crate::sql::Hub::new(self.limits.queue_limit),
        });
        #[cfg(feature = "redis")]
        if let (Some(follower), Some(engine)) = (follower, cache.engine()) {
            follower.attach(engine);
        }
        cache.watch_store(store_hook);
        Ok(cache)
    }

    /// What there is to be in this process.
    fn plan(&self) -> Plan {
        match &self.store {
            Store::Embedded => Plan { bound: Some(self.bound), copies: None, coherence: None },
            #[cfg(feature = "redis")]
            Store::Redis(_) => self.remote.plan(self.bound),
            #[cfg(shuttle)]
            Store::Double(_) => Plan {
                bound: self.copies.then_some(self.bound),
                copies: self.copies.then(|| Copies::new(u64::MAX, self.bound)),
                coherence: None,
            },
        }
    }

    fn check(&self) -> Result<(), Error> {
        let refuse =
            |message: &'static str| Err(Error::new(ErrorKind::Config, "build the cache", message));
        if self.limits.load_limit == 0 {
            return refuse("`load_limit` must be at least 1, else nothing could ever be loaded");
        }
        if self.limits.max_loads == 0 {
            return refuse("`max_loads` must be at least 1, else nothing could ever be loaded");
        }
        if self.bound == Bound::Entries(0) {
            return refuse(
                "`max_entries` must be at least 1; for no cache use `Cache::disabled()`",
            );
        }
        if self.limits.quick_tries == 0 {
            return refuse("`quick_tries` must be at least 1");
        }
        if self.limits.queue_limit == 0 {
            return refuse("`queue_limit` must be at least 1");
        }
        #[cfg(feature = "redis")]
        self.remote.check(&self.limits, &self.store)?;
        Ok(())
    }
}
