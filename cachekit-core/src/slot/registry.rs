//! The sharded map of slots.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

use equivalent::Equivalent as _;
use hashbrown::{HashTable, hash_table::Entry};

use super::Slot;
use crate::{
    entry::Id,
    flight::Flight,
    key::{KeyRef, StoredKey},
    mutant::{self, Mutant},
    sync::{Mutex, MutexGuard, lock},
};

const SHARDS: usize = 64;

type Shard = HashTable<(StoredKey, Slot)>;

/// All slots of a cache. Its size is the number of keys in flight or dirty.
#[derive(Debug)]
pub(crate) struct Registry {
    shards: Box<[Mutex<Shard>]>,
    /// The sum of all slots' [`dirty`](Slot::dirty).
    claims: AtomicUsize,
}

/// A seat in a flight.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) flight: Arc<Flight>,
    pub(crate) member: u32,
}

/// A flight taken out of its slot and the waker of its successor. Both may run code of the
/// user's, the one by dropping values, the other by waking, so both are for after the lock.
#[derive(Debug, Default)]
#[must_use = "the successor sleeps until it is woken"]
pub(crate) struct Detached {
    _flight: Option<Arc<Flight>>,
    waker: Option<Waker>,
}

impl Detached {
    /// Wakes the successor. Call it without locks.
    pub(crate) fn wake(self) {
        if let Some(waker) = self.waker {
            waker.wake();
        }
    }
}

impl Registry {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, claims: AtomicUsize::new(0) }
    }

    fn shard(&self, key: &KeyRef<'_>) -> MutexGuard<'_, Shard> {
        // The map itself uses the lowest and the highest bits of the hash.
        lock(&self.shards[(key.hash >> 32) as usize % SHARDS])
    }

    /// Runs `change` on the slot of `key`, made for the purpose if there is none, and removes the
    /// slot once nothing uses it.
    fn with<T>(&self, key: &KeyRef<'_>, change: impl FnOnce(&mut Slot) -> T) -> T {
        let mut shard = self.shard(key);
        match entry(&mut shard, key) {
            Entry::Occupied(mut entry) => {
                let out = change(&mut entry.get_mut().1);
                if entry.get().1.is_unused() {
                    entry.remove();
                }
                out
            }
            Entry::Vacant(entry) => {
                let mut slot = Slot::default();
                let out = change(&mut slot);
                if !slot.is_unused() {
                    entry.insert((StoredKey::from(*key), slot));
                }
                out
            }
        }
    }

    /// Runs `change` on the slot of `key` if it has one.
    fn with_existing<T>(&self, key: &KeyRef<'_>, change: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        let mut shard = self.shard(key);
        let Entry::Occupied(mut entry) = entry(&mut shard, key) else { return None };
        let out = change(&mut entry.get_mut().1);
        if entry.get().1.is_unused() {
            entry.remove();
        }
        Some(out)
    }

    /// Seats a caller in the flight it may share, or in the one that starts after it.
    pub(crate) fn join(&self, key: &KeyRef<'_>) -> Joined {
        self.with(key, |slot| {
            let Some(current) = &slot.current else {
                return seat(&mut slot.current, true);
            };
            if let Some(member) = current.join() {
                return Joined { flight: current.clone(), member };
            }
            if let Some(next) = &slot.next
                && let Some(member) = next.join()
            {
                return Joined { flight: next.clone(), member };
            }
            seat(&mut slot.next, false)
        })
    }

    /// Runs `work` while nothing else happens to the key.
    pub(crate) fn locked<T>(&self, key: &KeyRef<'_>, work: impl FnOnce() -> T) -> T {
        let _shard = self.shard(key);
        work()
    }

    pub(crate) fn is_dirty(&self, key: &KeyRef<'_>) -> bool {
        let shard = self.shard(key);
        let found = shard.find(key.hash, |(held, _)| key.equivalent(held));
        found.is_some_and(|(_, slot)| slot.dirty > 0)
    }

    /// Whether any key is dirty. A mark is counted before the invalidation returns that sets it, so whoever begins after
    /// that sees it. It takes no lock, though, and so is in no order with a mark that is just being set: a reader that
    /// made itself known to writers before it looks needs [`is_dirty`](Self::is_dirty).
    pub(crate) fn has_dirty(&self) -> bool {
        self.claims.load(Ordering::Acquire) > 0
    }

    /// How many keys are in flight, dirty or watched.
    #[cfg(any(test, shuttle))]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Removes a flight that is over, or that everybody left, and starts its successor.
    pub(crate) fn retire(&self, key: &KeyRef<'_>, flight: &Arc<Flight>) -> Detached {
        self.with_existing(key, |slot| {
            if holds(&slot.current, flight) {
                promote(slot)
            } else if holds(&slot.next, flight) {
                Detached { _flight: slot.next.take(), waker: None }
            } else {
                Detached::default()
            }
        })
        .unwrap_or_default()
    }

    /// Lets `next` start although the current flight is not over: its leader is not being polled.
    /// The ids that the current flight sent are handed over, so that a lease of its is adopted.
    pub(crate) fn set_aside(&self, key: &KeyRef<'_>, next: &Arc<Flight>) -> Detached {
        if mutant::on(Mutant::NextWaits) {
            return Detached::default();
        }
        self.with_existing(key, |slot| {
            if !holds(&slot.next, next) {
                return Detached::default();
            }
            let ids = slot.current.as_ref().map(|flight| std::mem::take(&mut flight.lock().mine));
            next.lock().mine.extend::<Vec<Id>>(ids.unwrap_or_default());
            promote(slot)
        })
        .unwrap_or_default()
    }

    /// Makes every load begun before now unfit for the in-process tier, and its flight closed to
    /// newcomers; `under_lock` removes the key from the tier. Marks the key dirty if asked to.
    pub(crate) fn invalidate<T>(
        &self,
        key: &KeyRef<'_>,
        dirty: u32,
        under_lock: impl FnOnce() -> T,
    ) -> (Detached, T) {
        self.with(key, |slot| {
            slot.epoch += 1;
            slot.invalidations += 1;
            let more = match slot.dirty {
                // Nothing would end it.
                _ if mutant::on(Mutant::SingleLocalInvalidation) => 0,
                before if mutant::on(Mutant::DirtyIsASet) => dirty.saturating_sub(before),
                _ => dirty,
            };
            slot.dirty += more;
            // Without a shared tier nothing is ever dirty: no line that others read is written.
            if more > 0 {
                self.claims.fetch_add(more as usize, Ordering::AcqRel);
            }
            (promote(slot), under_lock())
        })
    }

    /// Makes what was read of the key before now unfit for the in-process tier. Flights go on: those that the change
    /// in the shared tier concerns find out by their leases, and most changes are our own.
    pub(crate) fn changed<T>(&self, key: &KeyRef<'_>, under_lock: impl FnOnce() -> T) -> T {
        self.with(key, |slot| {
            slot.epoch += 1;
            under_lock()
        })
    }

    /// Ends `writers` writers' claims on the key, with the second local invalidation: between the
    /// first one and the remote command a reader may have taken the old value.
    pub(crate) fn clean<T>(
        &self,
        key: &KeyRef<'_>,
        writers: u32,
        under_lock: impl FnOnce() -> T,
    ) -> (Detached, Option<T>) {
        self.with(key, |slot| {
            if mutant::on(Mutant::SingleLocalInvalidation) {
                return (Detached::default(), None);
            }
            let fewer = slot.dirty.min(writers);
            slot.dirty -= fewer;
            slot.epoch += 1;
            slot.invalidations += 1;
            let out = (promote(slot), Some(under_lock()));
            // Last: who finds nothing dirty by it finds all of this done.
            self.claims.fetch_sub(fewer as usize, Ordering::AcqRel);
            out
        })
    }

    /// Notes a load about to begin and returns the key's epoch; `None` while the key is dirty.
    /// `alone`: loads that began before this lose their tickets.
    pub(super) fn take_ticket(&self, key: &KeyRef<'_>, alone: bool) -> Option<u64> {
        self.with(key, |slot| {
            if slot.dirty > 0 {
                return None;
            }
            slot.epoch += u64::from(alone);
            slot.tickets += 1;
            Some(slot.epoch)
        })
    }

    /// Begins to watch the key, and says how often it has been invalidated. Until [`unwatch`](Self::unwatch) that count
    /// does not go back.
    pub(crate) fn watch(&self, key: &KeyRef<'_>) -> u64 {
        self.with(key, |slot| {
            slot.watches += 1;
            slot.invalidations
        })
    }

    /// How often the key has been invalidated since its slot was made, if it has one.
    pub(crate) fn invalidations(&self, key: &KeyRef<'_>) -> Option<u64> {
        self.with_existing(key, |slot| slot.invalidations)
    }

    pub(crate) fn unwatch(&self, key: &KeyRef<'_>) {
        self.with_existing(key, |slot| slot.watches -= 1);
    }

    pub(super) fn return_ticket(&self, key: &KeyRef<'_>) {
        self.with_existing(key, |slot| slot.tickets -= 1);
    }

    /// Runs `insert` under the lock that invalidations take, if nothing happened to the key since
    /// `epoch`. Of two loads of one key only the first enters.
    pub(super) fn insert<T>(
        &self,
        key: &KeyRef<'_>,
        epoch: u64,
        insert: impl FnOnce() -> T,
    ) -> Option<T> {
        self.with(key, |slot| {
            let untouched = slot.epoch == epoch && slot.dirty == 0;
            if !untouched && !mutant::on(Mutant::InsertWithoutTicket) {
                return None;
            }
            slot.epoch += 1;
            Some(insert())
        })
    }
}

impl Registry {
    /// [`insert`](Self::insert) for a value that a writer has written: loads begun before it, and flights, are over as
    /// after an invalidation, since what they bring may be older.
    pub(super) fn supersede<T>(
        &self,
        key: &KeyRef<'_>,
        epoch: u64,
        insert: impl FnOnce() -> T,
    ) -> Option<(Detached, T)> {
        self.with(key, |slot| {
            if slot.epoch != epoch || slot.dirty > 0 {
                return None;
            }
            slot.epoch += 1;
            slot.invalidations += 1;
            Some((promote(slot), insert()))
        })
    }
}

fn entry<'a>(shard: &'a mut Shard, key: &KeyRef<'_>) -> Entry<'a, (StoredKey, Slot)> {
    shard.entry(key.hash, |(held, _)| key.equivalent(held), |(held, _)| held.as_ref().hash)
}

fn seat(place: &mut Option<Arc<Flight>>, started: bool) -> Joined {
    let flight = Flight::new(started);
    let member = flight.join().expect("a new flight is open to everybody");
    let out = Joined { flight: flight.clone(), member };
    *place = Some(flight);
    out
}

fn holds(place: &Option<Arc<Flight>>, flight: &Arc<Flight>) -> bool {
    place.as_ref().is_some_and(|held| Arc::ptr_eq(held, flight))
}

/// Takes the current flight out and starts the next one.
fn promote(slot: &mut Slot) -> Detached {
    let out = slot.current.take();
    slot.current = slot.next.take();
    let waker = slot.current.as_ref().and_then(|flight| flight.start());
    Detached { _flight: out, waker }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_to_be_clean_once_the_last_writer_s_claim_ends() {
        let registry = Registry::new();
        let [one, other] = ["one", "other"].map(|text| crate::key::Tag::new("t", |w| w.str(text)));
        let mark = |key: &KeyRef<'_>| registry.invalidate(key, 1, || ()).0.wake();
        let clean = |key: &KeyRef<'_>, writers| registry.clean(key, writers, || ()).0.wake();
        assert!(!registry.has_dirty());
        mark(&one.as_ref());
        mark(&one.as_ref());
        mark(&other.as_ref());
        clean(&other.as_ref(), 1);
        clean(&one.as_ref(), 1);
        assert!(registry.has_dirty() && registry.is_dirty(&one.as_ref()));
        // More than there are end no claim of another key.
        mark(&other.as_ref());
        clean(&one.as_ref(), 2);
        assert!(registry.has_dirty() && !registry.is_dirty(&one.as_ref()));
        clean(&other.as_ref(), 1);
        assert!(!registry.has_dirty());
    }
}
