//! The flights under way, by identity.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use foldhash::quality::RandomState;
use hashbrown::{HashMap, hash_map::Entry};

use super::{Lead, Member, seats::MemberId, state::Flight};
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
    /// Runs that nobody can join, and which need no flight.
    lone: usize,
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

    /// Whether [`lead`](Self::lead) ever lets a caller.
    pub(crate) fn may_lead(&self) -> bool {
        self.join == Join::Fresh
    }

    /// Lets a caller run by itself whom nobody could join, since it begins at once: those who come meanwhile wait for its
    /// end. `None`: it may have to wait for others, or others may join it.
    pub(crate) fn lead(self: &Arc<Self>, identity: &Identity) -> Option<Lead<T>> {
        if !self.may_lead() {
            return None;
        }
        let leads = match self.shard(identity).entry(identity.clone()) {
            Entry::Occupied(mut entry) => entry.get_mut().lead(self.parallel),
            Entry::Vacant(entry) => entry.insert(Slot::default()).lead(self.parallel),
        };
        leads.then(|| Lead::new(self.clone(), identity.clone()))
    }

    /// Seats a caller in the flight that it may share, or in one that is to begin.
    pub(crate) fn seat(self: &Arc<Self>, identity: &Identity) -> Member<T> {
        let place = match self.shard(identity).entry(identity.clone()) {
            Entry::Occupied(mut entry) => entry.get_mut().seat(self.join, self.parallel),
            Entry::Vacant(entry) => entry.insert(Slot::default()).seat(self.join, self.parallel),
        };
        Member::new(self.clone(), identity.clone(), place)
    }

    /// Lets everybody go who waits for others to end.
    pub(super) fn release(&self, identity: &Identity) {
        let next = self.shard(identity).get_mut(identity).and_then(|slot| slot.next.take());
        let wakers = next.map(|flight| flight.lock().release()).unwrap_or_default();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl<T> Flights<T> {
    /// Takes a flight out that is over, and starts the one that waited for it.
    pub(super) fn retire(&self, identity: &Identity, flight: &Arc<Flight<T>>) {
        self.leave(identity, |slot| {
            slot.remove(flight);
            slot.next.take_if(|next| Arc::ptr_eq(next, flight));
        });
    }

    /// Takes a run out that had no flight, and starts the flight that waited for it.
    pub(super) fn retire_lone(&self, identity: &Identity) {
        self.leave(identity, |slot| slot.lone -= 1);
    }

    fn leave(&self, identity: &Identity, take_out: impl FnOnce(&mut Slot<T>)) {
        let mut shard = self.shard(identity);
        let Some(slot) = shard.get_mut(identity) else { return };
        take_out(slot);
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

    /// Whether one more may run that nobody can join: there is no flight that it could share.
    fn lead(&mut self, parallel: usize) -> bool {
        let leads = self.lone < parallel && self.lone == self.running() && self.next.is_none();
        self.lone += usize::from(leads);
        leads
    }

    fn running(&self) -> usize {
        self.lone + usize::from(self.first.is_some()) + self.others.len()
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
        Self { lone: 0, first: None, others: Vec::new(), next: None }
    }
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("join", &self.join).finish_non_exhaustive()
    }
}
