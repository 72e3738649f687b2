//! The locks of one cache: who has which turn, what is held, and where that is known to others.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    acquire::Patience,
    errors,
    hold::Hold,
    queue::{MOST_CALLERS, Place, Queue, Turn},
    stats::Stats,
    terms::Terms,
    tie::Tie,
};
use crate::{
    clock::Clock, engine::Engine, error::Error, key::Key, observe, store::Store, sync::within,
};

/// All locks of one cache.
#[derive(Debug)]
pub(crate) struct Locks {
    queue: Arc<Queue>,
    /// The latest fencing token, where no other process is to be told apart.
    fences: AtomicU64,
    clock: Clock,
    stats: Stats,
    #[cfg(feature = "redis")]
    remote: Option<super::remote::Remote>,
}

/// Those of caches that are none.
static IN_PROCESS: LazyLock<Arc<Locks>> =
    LazyLock::new(|| Arc::new(Locks::of_store(&Store::Embedded)));

impl Locks {
    /// Locks that all who use this store have in common.
    pub(crate) fn of_store(store: &Store) -> Locks {
        let clock = Clock::boot();
        #[cfg(feature = "redis")]
        let remote = match store {
            Store::Redis(redis) => Some((redis.store.clone(), clock.clone())),
            _ => None,
        };
        #[cfg(not(feature = "redis"))]
        let _ = store;
        Locks {
            queue: Arc::default(),
            fences: AtomicU64::new(0),
            clock,
            stats: Stats::default(),
            #[cfg(feature = "redis")]
            remote: remote.map(|(store, clock)| super::remote::Remote::new(store, clock)),
        }
    }

    /// The locks of the cache with this engine, or of all that have none.
    pub(super) fn of(engine: Option<&Engine>) -> Arc<Locks> {
        engine.map_or_else(|| IN_PROCESS.clone(), |engine| engine.locks.clone())
    }

    #[cfg(feature = "redis")]
    pub(super) fn remote(&self) -> Option<&super::remote::Remote> {
        self.remote.as_ref()
    }

    pub(super) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Resolves when what was to be released in the background is, or has run out; within `limit` in any case.
    pub(crate) async fn settle(&self, limit: Duration) {
        #[cfg(feature = "redis")]
        if let Some(remote) = &self.remote {
            within(limit, remote.keeper.settle()).await;
            remote.wakes.shutdown().await;
        }
        let _ = limit;
    }

    pub(super) fn mean_hold(&self, template: &str) -> Option<Duration> {
        self.stats.mean(template)
    }

    /// Takes one lock.
    pub(super) async fn take(
        self: &Arc<Self>,
        key: &Key,
        terms: &Terms,
        patience: Patience,
    ) -> Result<Tie, Error> {
        #[cfg(feature = "redis")]
        if let Some(remote) = &self.remote {
            return self.take_shared(remote, key, terms, patience).await;
        }
        let turn = self.turn(key, patience).await?;
        let (fence, template) = (self.fence(terms.floor), key.to_template());
        let hold = Hold::new(template, fence, self.clock.clone(), u64::MAX, terms.max_hold);
        Ok(Tie::local(key, self, hold, turn, terms.lease))
    }

    /// First the turn in this process, then the lock that processes share. Who is fair waits with all others instead.
    #[cfg(feature = "redis")]
    async fn take_shared(
        self: &Arc<Self>,
        remote: &super::remote::Remote,
        key: &Key,
        terms: &Terms,
        patience: Patience,
    ) -> Result<Tie, Error> {
        if terms.fair {
            let place = self.place(key)?;
            let granted = remote.take(key, terms, patience, false).await?;
            drop(place);
            return Ok(Tie::remote(key, self, granted, None, terms.lease));
        }
        let turn = self.turn(key, patience).await?;
        let yielding = turn.must_yield();
        let granted = remote.take(key, terms, patience, yielding).await?;
        if yielding {
            turn.has_yielded();
        }
        Ok(Tie::remote(key, self, granted, Some(turn), terms.lease))
    }

    fn place(&self, key: &Key) -> Result<Place, Error> {
        let place = self.queue.enter(key.as_str());
        place.ok_or_else(|| errors::crowded(&key.to_template(), MOST_CALLERS))
    }

    /// The turn of this key, which one caller of this process has at a time.
    async fn turn(&self, key: &Key, patience: Patience) -> Result<Turn, Error> {
        let template = key.to_template();
        let place = match self.place(key)?.turn_now() {
            Ok(turn) => return Ok(turn),
            Err(place) => place,
        };
        observe::lock_contended(template.as_str(), "process");
        if !patience.waits() {
            return Err(errors::busy(&template));
        }
        let turn = within(patience.left(), Place::turn(place)).await;
        turn.ok_or_else(|| errors::exhausted(&template, patience.wait))
    }

    /// A number greater than every one before it, and than `floor`.
    fn fence(&self, floor: u64) -> u64 {
        let next = |latest: u64| Some(latest.max(floor) + 1);
        // The closure never refuses.
        let latest = self.fences.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        latest.unwrap_or_default().max(floor) + 1
    }
}
