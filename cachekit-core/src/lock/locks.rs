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
};
use crate::{
    clock::Clock,
    engine::Engine,
    error::Error,
    key::Key,
    sync::{Runtime, sleep, within},
};

/// All locks of one cache.
#[derive(Debug)]
pub(crate) struct Locks {
    queue: Arc<Queue>,
    /// The latest fencing token, where no other process is to be told apart.
    fences: AtomicU64,
    clock: Clock,
    stats: Stats,
}

/// Those of caches that are none.
static IN_PROCESS: LazyLock<Arc<Locks>> = LazyLock::new(|| Arc::new(Locks::new()));

impl Locks {
    pub(crate) fn new() -> Locks {
        Locks {
            queue: Arc::default(),
            fences: AtomicU64::new(0),
            clock: Clock::boot(),
            stats: Stats::default(),
        }
    }

    /// The locks of the cache with this engine, or of all that have none.
    pub(super) fn of(engine: Option<&Engine>) -> Arc<Locks> {
        engine.map_or_else(|| IN_PROCESS.clone(), |engine| engine.locks.clone())
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
        let turn = self.turn(key, patience).await?;
        let fence = self.fence(terms.floor);
        let hold =
            Hold::new(key.to_template(), fence, self.clock.clone(), u64::MAX, terms.max_hold);
        Ok(Tie {
            key: key.clone(),
            hold: Arc::new(hold),
            locks: self.clone(),
            lease: terms.lease,
            turn: Some(turn),
        })
    }

    /// The turn of this key, which one caller of this process has at a time.
    async fn turn(&self, key: &Key, patience: Patience) -> Result<Turn, Error> {
        let template = key.to_template();
        let place = self.queue.enter(key.as_str());
        let place = place.ok_or_else(|| errors::crowded(&template, MOST_CALLERS))?;
        let place = match place.turn_now() {
            Ok(turn) => return Ok(turn),
            Err(place) => place,
        };
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

/// What ties a guard to one lock; dropping it releases that in the background.
#[derive(Debug)]
pub(super) struct Tie {
    key: Key,
    hold: Arc<Hold>,
    locks: Arc<Locks>,
    lease: Duration,
    turn: Option<Turn>,
}

impl Tie {
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn hold(&self) -> Arc<Hold> {
        self.hold.clone()
    }

    /// Releases it now.
    pub(super) async fn release(self) -> Result<(), Error> {
        self.hold.check()
    }

    /// Lets go of it; the lock goes on to the end of its lease.
    pub(super) fn leave(mut self) {
        let (turn, lease) = (self.turn.take(), self.lease);
        Runtime::current().spawn(async move {
            sleep(lease).await;
            drop(turn);
        });
    }
}

impl Drop for Tie {
    fn drop(&mut self) {
        let held = self.hold.held_for();
        if self.hold.end() {
            self.locks.stats.held(self.hold.template(), held);
        }
    }
}
