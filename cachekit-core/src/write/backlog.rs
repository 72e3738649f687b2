//! Keys that wait for their invalidation: one item a key, however many writers.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::sync::oneshot;

use super::timetable::Timetable;
use crate::{
    key::{Key, PassThroughState},
    retry::{doubled, full_jitter},
    sync::{self, Instant},
};

/// One key that waits, and who waits for it.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) key: Key,
    /// Writers that no command sent so far covers.
    pub(super) writers: u32,
    pub(super) waiters: Vec<oneshot::Sender<()>>,
    pub(super) tries: u32,
    /// When the first of the writers came.
    pub(super) since: Instant,
    place: Place,
    /// Whether the timetable has an entry for it; one at most, however often it is tried between.
    scheduled: bool,
}

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Ready,
    Sending,
    /// It waits for its time; after its quick tries that is far off, and a new writer ends the wait.
    Later {
        slow: bool,
    },
}

/// The items, by key, and when each is due.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    items: HashMap<Key, Item, PassThroughState>,
    sending: usize,
    ready: VecDeque<Key>,
    later: Timetable<Key>,
}

impl Backlog {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Adds a writer of `key`. `Err` if that needs a new item and there are `limit` already.
    pub(super) fn add(
        &mut self,
        key: &Key,
        waiter: Option<oneshot::Sender<()>>,
        limit: usize,
    ) -> Result<(), ()> {
        let now = sync::now();
        if let Some(item) = self.items.get_mut(key) {
            if item.writers == 0 {
                item.since = now;
            }
            item.writers += 1;
            item.waiters.extend(waiter);
            if item.place == (Place::Later { slow: true }) {
                item.place = Place::Ready;
                self.ready.push_back(key.clone());
            }
            return Ok(());
        }
        if self.items.len() >= limit {
            return Err(());
        }
        let item = Item::new(key.clone(), 1, waiter.into_iter().collect(), now);
        self.ready.push_back(key.clone());
        self.items.insert(key.clone(), item);
        Ok(())
    }

    /// Takes up to `most` items that are due. Each stays in the backlog with no writers, to
    /// collect those that come while the batch is under way.
    pub(super) fn take_due(&mut self, now: Instant, most: usize) -> Vec<Item> {
        let due = self.later.take_due(now);
        self.make_ready(due);
        let count = self.ready.len().min(most);
        let due: Vec<_> = self.ready.drain(..count).collect();
        let taken: Vec<_> = due.iter().filter_map(|key| self.take(key)).collect();
        self.sending += taken.len();
        taken
    }

    fn take(&mut self, key: &Key) -> Option<Item> {
        let item = self.items.get_mut(key)?;
        item.place = Place::Sending;
        let rest = Item {
            tries: item.tries,
            place: item.place,
            scheduled: item.scheduled,
            ..Item::new(item.key.clone(), 0, Vec::new(), item.since)
        };
        Some(std::mem::replace(item, rest))
    }

    /// Their time has come, unless a new writer was faster.
    fn make_ready(&mut self, due: impl IntoIterator<Item = Key>) {
        for key in due {
            let Some(item) = self.items.get_mut(&key) else { continue };
            item.scheduled = false;
            if matches!(item.place, Place::Later { .. }) {
                item.place = Place::Ready;
                self.ready.push_back(key);
            }
        }
    }

    /// The item was sent and acknowledged.
    pub(super) fn sent(&mut self, item: &Item) {
        self.sending -= 1;
        let Some(left) = self.items.get_mut(&item.key) else { return };
        if left.writers == 0 {
            self.items.remove(&item.key);
        } else {
            left.tries = 0;
            left.place = Place::Ready;
            self.ready.push_back(item.key.clone());
        }
    }

    /// The item was not acknowledged; it is due again then, or, if that is a `slow` retry, as soon
    /// as the key has another writer.
    pub(super) fn failed(&mut self, item: Item, due: Instant, slow: bool) {
        self.sending -= 1;
        let Some(left) = self.items.get_mut(&item.key) else { return };
        let overtaken = left.writers > 0;
        left.writers += item.writers;
        left.waiters.extend(item.waiters);
        left.waiters.retain(|waiter| !waiter.is_closed());
        left.tries = item.tries;
        left.since = item.since;
        if slow && overtaken {
            left.place = Place::Ready;
            self.ready.push_back(item.key.clone());
        } else {
            left.place = Place::Later { slow };
        }
        if !std::mem::replace(&mut left.scheduled, true) {
            self.later.add(due, item.key);
        }
    }

    /// Makes everything due now.
    pub(super) fn hurry(&mut self) {
        let all = self.later.take_all().collect::<Vec<_>>();
        self.make_ready(all);
    }

    /// When something is due next, if nothing is ready.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.later.next_due()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether each item has had its quick tries.
    pub(super) fn is_exhausted(&self, quick_tries: u32) -> bool {
        self.sending == 0 && self.items.values().all(|item| item.tries >= quick_tries)
    }
}

impl Item {
    fn new(key: Key, writers: u32, waiters: Vec<oneshot::Sender<()>>, since: Instant) -> Self {
        let (place, scheduled) = (Place::Ready, false);
        Self { key, writers, waiters, tries: 0, since, place, scheduled }
    }
}

/// How long to wait after so many failed tries: full jitter from 50 ms doubling to 1 s while they
/// are quick ones, then every 30 s.
pub(super) fn pause(tries: u32, quick_tries: u32) -> Duration {
    const SLOW: Duration = Duration::from_secs(30);
    if tries >= quick_tries {
        return SLOW;
    }
    full_jitter(doubled(Duration::from_millis(50), tries, Duration::from_secs(1)))
}
