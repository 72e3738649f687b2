//! The flights under way, by identity.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use foldhash::quality::RandomState;
use hashbrown::{HashMap, hash_map::Entry};

use super::{Member, seats::MemberId, state::Flight};
use crate::identity::Identity;

const SHARDS: usize = 32;

/// Who may join a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    /// Nobody once it began.
    Fresh,
    /// Anybody until its verification is sent.
    Fenced,
    /// Anybody.
    Running,
}

/// All flights of a layer. Its size is the number of identities under way.
pub(crate) struct Flights<T> {
    pub(super) layer: &'static str,
    shards: Box<[Shard<T>]>,
    hashing: RandomState,
    join: Join,
    /// Runs of one identity at a time.
    parallel: usize,
}

type Shard<T> = Mutex<HashMap<Identity, Slot<T>, RandomState>>;

struct Slot<T> {
    running: Vec<Arc<Flight<T>>>,
    next: Option<Arc<Flight<T>>>,
}

impl<T: Clone + Send + 'static> Flights<T> {
    /// `layer`: the name under which it counts.
    pub(crate) fn new(layer: &'static str, join: Join, parallel: usize) -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        let parallel = parallel.max(1);
        Arc::new(Self { layer, shards, hashing: RandomState::default(), join, parallel })
    }

    /// Seats a caller in the flight that it may share, or in one that is to begin.
    pub(crate) fn seat(self: &Arc<Self>, identity: &Identity) -> Member<T> {
        let (flight, id) = match self.shard(identity).entry(identity.clone()) {
            Entry::Occupied(mut entry) => entry.get_mut().seat(self.join, self.parallel),
            Entry::Vacant(entry) => entry
                .insert(Slot { running: Vec::new(), next: None })
                .seat(self.join, self.parallel),
        };
        Member::new(self.clone(), identity.clone(), flight, id)
    }
}

impl<T> Flights<T> {
    /// Takes a flight out that is over, and starts the one that waited for it.
    pub(super) fn retire(&self, identity: &Identity, flight: &Arc<Flight<T>>) {
        let mut shard = self.shard(identity);
        let Some(slot) = shard.get_mut(identity) else { return };
        slot.running.retain(|own| !Arc::ptr_eq(own, flight));
        if slot.next.as_ref().is_some_and(|next| Arc::ptr_eq(next, flight)) {
            slot.next = None;
        }
        let mut wakers = Vec::new();
        if slot.running.len() < self.parallel
            && let Some(next) = slot.next.take()
        {
            wakers = next.start();
            slot.running.push(next);
        }
        if slot.running.is_empty() {
            shard.remove(identity);
        }
        drop(shard);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How many identities are under way.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let len = |shard: &Shard<T>| shard.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.shards.iter().map(len).sum()
    }

    fn shard(
        &self,
        identity: &Identity,
    ) -> MutexGuard<'_, HashMap<Identity, Slot<T>, RandomState>> {
        use std::hash::BuildHasher as _;
        let at = (self.hashing.hash_one(identity) >> 32) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Slot<T> {
    fn seat(&mut self, join: Join, parallel: usize) -> (Arc<Flight<T>>, MemberId) {
        for flight in self.running.iter().chain(&self.next) {
            if let Some(id) = flight.join() {
                return (flight.clone(), id);
            }
        }
        let started = self.running.len() < parallel;
        let flight = Flight::new(join, started);
        let id = flight.join().expect("a new flight is open to everybody");
        if started {
            flight.lock().reserved = Some(id);
            self.running.push(flight.clone());
        } else {
            self.next = Some(flight.clone());
        }
        (flight, id)
    }
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("join", &self.join).finish_non_exhaustive()
    }
}
