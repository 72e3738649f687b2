//! The map behind the in-process tier; the only file that knows which crate it is.

use quick_cache::{Lifecycle, OptionsBuilder, Weighter, sync::Cache};

use super::Entry;
use crate::{
    error::{Error, ErrorKind},
    key::{KeyRef, PassThroughState, StoredKey},
};

/// How much the tier may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Entries(usize),
    Weight { max: u64, estimated_entries: usize },
}

/// A bounded, scan-resistant map. It may drop an entry at any time, an insert included.
pub(crate) struct Map {
    inner: Cache<StoredKey, Entry, ByWeight, PassThroughState, HandBack>,
    by_weight: bool,
}

impl Map {
    pub(crate) fn new(bound: Bound) -> Result<Self, Error> {
        let (entries, weight) = match bound {
            Bound::Entries(entries) => (entries, entries as u64),
            Bound::Weight { max, estimated_entries } => (estimated_entries, max),
        };
        let options = OptionsBuilder::new()
            .estimated_items_capacity(entries)
            .weight_capacity(weight)
            .build()
            .map_err(|source| {
                let operation = "build the in-process tier";
                Error::new(ErrorKind::Config, operation, "its bounds are unusable")
                    .with_source(source)
            })?;
        let inner = Cache::with_options(options, ByWeight, PassThroughState, HandBack);
        Ok(Self { inner, by_weight: matches!(bound, Bound::Weight { .. }) })
    }

    /// The entry of this key, alive or not.
    #[inline]
    pub(crate) fn get(&self, key: &KeyRef<'_>) -> Option<Entry> {
        self.inner.get(key)
    }

    /// Puts an entry in and hands back what fell out, to be dropped after the caller's locks.
    pub(crate) fn insert(&self, key: StoredKey, entry: Entry) -> Fallen {
        let mut fallen = Fallen::default();
        fallen.entries.extend(self.inner.remove(&key.as_ref()));
        self.inner.insert_with_lifecycle(key, entry, &mut fallen);
        fallen
    }

    /// Takes out whatever is under this key.
    pub(crate) fn remove(&self, key: &KeyRef<'_>) -> Fallen {
        Fallen { entries: self.inner.remove(key).into_iter().collect() }
    }

    /// Drops this very entry and nothing that came after it. Kept out of the hit's code.
    #[cold]
    pub(crate) fn forget(&self, key: &KeyRef<'_>, entry: &Entry) {
        let removed = self.inner.remove_if(key, |found| found.is(entry));
        drop(Fallen { entries: removed.into_iter().collect() });
    }

    /// Whether what entries weigh bounds it, and not how many there are.
    pub(crate) fn is_by_weight(&self) -> bool {
        self.by_weight
    }

    pub(crate) fn len(&self) -> usize {
        self.inner.len()
    }

    /// The heaviest entry that can stay: one shard's share.
    pub(crate) fn heaviest(&self) -> u64 {
        self.inner.shard_capacity()
    }
}

impl std::fmt::Debug for Map {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Map").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Entries that left the tier. Dropping it may run a user's `Drop`: never under a lock.
#[derive(Default)]
#[must_use = "drop it after the locks: values may run code of the user's"]
pub(crate) struct Fallen {
    entries: Vec<(StoredKey, Entry)>,
}

/// Passes evicted entries on instead of dropping them inside the map.
#[derive(Clone)]
struct HandBack;

impl Lifecycle<StoredKey, Entry> for HandBack {
    type RequestState = Fallen;

    fn on_evict(&self, state: &mut Fallen, key: StoredKey, entry: Entry) {
        state.entries.push((key, entry));
    }
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<StoredKey, Entry> for ByWeight {
    fn weight(&self, _: &StoredKey, entry: &Entry) -> u64 {
        u64::from(entry.weight()).max(1)
    }
}
