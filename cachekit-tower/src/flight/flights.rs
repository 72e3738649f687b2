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

/// Where a caller was seated.
pub(super) struct Place<T> {
    pub(super) flight: Arc<Flight<T>>,
    pub(super) id: MemberId,
    /// The first run is its own to start.
    pub(super) leads: bool,
}

type Shard<T> = Mutex<HashMap<Identity, Slot<T>, RandomState>>;

struct Slot<T> {
    /// One that runs: it alone needs no allocation.
    first: Option<Arc<Flight<T>>>,
    /// The others that run.
    others: Vec<Arc<Flight<T>>>,
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
        let place = match self.shard(identity).entry(identity.clone()) {
            Entry::Occupied(mut entry) => entry.get_mut().seat(self.join, self.parallel),
            Entry::Vacant(entry) => entry.insert(Slot::default()).seat(self.join, self.parallel),
        };
        Member::new(self.clone(), identity.clone(), place)
    }
}

impl<T> Flights<T> {
    /// Takes a flight out that is over, and starts the one that waited for it.
    pub(super) fn retire(&self, identity: &Identity, flight: &Arc<Flight<T>>) {
        let mut shard = self.shard(identity);
        let Some(slot) = shard.get_mut(identity) else { return };
        slot.remove(flight);
        if slot.next.as_ref().is_some_and(|next| Arc::ptr_eq(next, flight)) {
            slot.next = None;
        }
        let mut wakers = Vec::new();
        if slot.running() < self.parallel
            && let Some(next) = slot.next.take()
        {
            wakers = next.start();
            slot.add(next);
        }
        if slot.running() == 0 {
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
    fn seat(&mut self, join: Join, parallel: usize) -> Place<T> {
        for flight in self.first.iter().chain(&self.others).chain(&self.next) {
            if let Some(id) = flight.join() {
                return Place { flight: flight.clone(), id, leads: false };
            }
        }
        let leads = self.running() < parallel;
        let (flight, id) = Flight::new(join, leads);
        if leads {
            self.add(flight.clone());
        } else {
            self.next = Some(flight.clone());
        }
        Place { flight, id, leads }
    }

    fn running(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    fn add(&mut self, flight: Arc<Flight<T>>) {
        match self.first {
            None => self.first = Some(flight),
            Some(_) => self.others.push(flight),
        }
    }

    fn remove(&mut self, flight: &Arc<Flight<T>>) {
        self.first.take_if(|first| Arc::ptr_eq(first, flight));
        self.others.retain(|other| !Arc::ptr_eq(other, flight));
        if self.first.is_none() {
            self.first = self.others.pop();
        }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { first: None, others: Vec::new(), next: None }
    }
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("join", &self.join).finish_non_exhaustive()
    }
}
