//! Who loads anew what is still there: one caller for each key and process, and in a fleet one process.

use std::sync::Arc;

use equivalent::Equivalent as _;
use hashbrown::{HashTable, hash_table::Entry};
use tokio::sync::Notify;

#[cfg(any(feature = "redis", shuttle))]
use crate::store::StoreError;
use crate::{
    engine::Engine,
    entry::Id,
    key::{Key, KeyRef, StoredKey},
    sync::{Mutex, lock},
};

const SHARDS: usize = 16;
/// Keys in one shard; beyond that nobody begins.
const MOST: usize = 4096;

type Shard = HashTable<(StoredKey, Until)>;

/// The keys of a cache that somebody loads anew.
#[derive(Debug)]
pub(crate) struct Marks {
    shards: Box<[Mutex<Shard>]>,
    /// Some mark was let go of.
    let_go: Notify,
}

/// How long a mark stands.
#[derive(Clone, Copy, Debug)]
enum Until {
    /// Its holder lets go of it.
    LetGo,
    /// Until then, by the cache's clock: the last try was in vain.
    Ms(u64),
    /// Until then: so many loads in a row have failed.
    Failed(u64, u32),
}

impl Until {
    fn stands(self, now_ms: u64) -> bool {
        match self {
            Self::LetGo => true,
            Self::Ms(until) | Self::Failed(until, _) => now_ms < until,
        }
    }
}

impl Marks {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, let_go: Notify::new() }
    }

    fn shard(&self, key: &KeyRef<'_>) -> &Mutex<Shard> {
        // The map itself uses the lowest and the highest bits of the hash.
        &self.shards[(key.hash >> 32) as usize % SHARDS]
    }

    /// Whether somebody loads the key anew, or has only just now done so in vain.
    pub(crate) fn is_taken(&self, key: &KeyRef<'_>, now_ms: u64) -> bool {
        find(&lock(self.shard(key)), key).is_some_and(|until| until.stands(now_ms))
    }

    /// Whether loads of the key have failed, the last one so lately that none is tried again yet.
    pub(crate) fn is_failing(&self, key: &KeyRef<'_>, now_ms: u64) -> bool {
        let until = find(&lock(self.shard(key)), key);
        until.is_some_and(|until| matches!(until, Until::Failed(..)) && until.stands(now_ms))
    }

    fn is_loading(&self, key: &KeyRef<'_>) -> bool {
        matches!(find(&lock(self.shard(key)), key), Some(Until::LetGo))
    }

    /// Waits until nobody loads the key anew; `false` if nobody did.
    ///
    /// # Cancel safety
    ///
    /// It leaves nothing behind.
    pub(crate) async fn until_let_go(&self, key: &KeyRef<'_>) -> bool {
        let mut waited = false;
        loop {
            // Counted from here, so that what is let go of after the look is seen.
            let let_go = self.let_go.notified();
            if !self.is_loading(key) {
                return waited;
            }
            waited = true;
            let_go.await;
        }
    }

    /// Takes the mark, and says how many loads in a row have failed.
    fn take(&self, key: &KeyRef<'_>, now_ms: u64, urgent: bool) -> Option<u32> {
        let mut shard = lock(self.shard(key));
        let before = find(&shard, key);
        let free = before.is_none_or(|until| match until {
            Until::Ms(_) | Until::Failed(..) if urgent => true,
            until => !until.stands(now_ms),
        });
        if free && shard.len() >= MOST {
            shard.retain(|(_, until)| until.stands(now_ms));
        }
        let taken = free && shard.len() < MOST;
        if taken {
            set(&mut shard, key, Some(Until::LetGo));
        }
        let failures = match before {
            Some(Until::Failed(_, failures)) => failures,
            _ => 0,
        };
        taken.then_some(failures)
    }

    fn let_go(&self, key: &KeyRef<'_>, until: Option<Until>) {
        set(&mut lock(self.shard(key)), key, until);
        self.let_go.notify_waiters();
    }
}

fn find(shard: &Shard, key: &KeyRef<'_>) -> Option<Until> {
    shard.find(key.hash, |(held, _)| key.equivalent(held)).map(|(_, until)| *until)
}

fn set(shard: &mut Shard, key: &KeyRef<'_>, until: Option<Until>) {
    let is_key = |(held, _): &(StoredKey, Until)| key.equivalent(held);
    match (shard.entry(key.hash, is_key, |(held, _)| held.as_ref().hash), until) {
        (Entry::Occupied(mut entry), Some(until)) => entry.get_mut().1 = until,
        (Entry::Occupied(entry), None) => drop(entry.remove()),
        (Entry::Vacant(entry), Some(until)) => {
            entry.insert((StoredKey::from(*key), until));
        }
        (Entry::Vacant(_), None) => {}
    }
}

/// The sign that its holder loads a key anew. Dropping it lets go of the key, in the fleet too.
#[derive(Debug)]
pub(crate) struct Mark {
    engine: Arc<Engine>,
    key: Key,
    /// The id of the mark that other processes see.
    fleet: Option<Id>,
    /// How long nobody is to try again.
    pause_ms: Option<u64>,
    /// How many loads in a row have failed.
    failures: u32,
    failed: bool,
}

impl Mark {
    /// Marks the key in this process; `None` if somebody else has. `urgent`: callers wait for the
    /// load, so no pause is observed.
    pub(crate) fn take(engine: &Arc<Engine>, key: &Key, urgent: bool) -> Option<Self> {
        let taken = engine.marks.take(&key.as_ref(), engine.clock.now_ms(), urgent);
        taken.map(|failures| Self {
            engine: engine.clone(),
            key: key.clone(),
            fleet: None,
            pause_ms: None,
            failures,
            failed: false,
        })
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Lets nobody of this process try again for a while, unless a caller has to wait for it.
    pub(crate) fn pause(&mut self, pause_ms: u64) {
        self.pause_ms = Some(pause_ms);
    }

    /// The load failed: nobody of this process tries again for about `pause_ms`, and with each failure in a row for
    /// twice as long, up to eight times.
    pub(crate) fn fail(&mut self, pause_ms: u64) {
        let doubled = pause_ms.saturating_mul(1 << self.failures.min(3));
        // Processes that failed together are not to try again together.
        let jittered = doubled.saturating_mul(fastrand::u64(80..=120)) / 100;
        self.failures = self.failures.saturating_add(1);
        self.pause_ms = Some(jittered);
        self.failed = true;
    }

    /// Marks the key for all processes, for as long as its load is likely to take. `Ok(false)`: another
    /// process loads. It is advice: whatever is loaded is filled by compare-and-set.
    #[cfg(any(feature = "redis", shuttle))]
    pub(crate) async fn spread(&mut self, load_cost_ms: u32) -> Result<bool, StoreError> {
        let store = &self.engine.store;
        let id = store.fresh_id().ok_or(StoreError::Down)?;
        let super::Limits { lease_wait, load_timeout, .. } = self.engine.limits;
        let most = load_timeout.max(lease_wait).as_millis().try_into().unwrap_or(u64::MAX);
        let px = u64::from(load_cost_ms).saturating_mul(4).clamp(SHORTEST_MS.min(most), most);
        // Noted before it is sent: should the caller go away, it is taken back all the same.
        self.fleet = Some(id);
        let marked = store.mark(self.key.as_str(), id, px).await;
        if !matches!(marked, Ok(true) | Err(StoreError::Unknown)) {
            self.fleet = None;
        }
        marked
    }
}

/// How long other processes leave a key to one that may have died.
#[cfg(any(feature = "redis", shuttle))]
const SHORTEST_MS: u64 = 3_000;

impl Drop for Mark {
    fn drop(&mut self) {
        if let Some(id) = self.fleet {
            self.engine.store.unmark(self.key.as_str(), id);
        }
        let until = self.pause_ms.map(|pause| self.engine.clock.now_ms().saturating_add(pause));
        let until = until.map(|until| match self.failed {
            true => Until::Failed(until, self.failures),
            false => Until::Ms(until),
        });
        self.engine.marks.let_go(&self.key.as_ref(), until);
    }
}
