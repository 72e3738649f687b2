//! What is remembered for a while.

use std::{
    fmt,
    hash::Hash,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use tokio::time::Instant;

/// Values by key, each with the moment at which it is over. How many there may be is for the user to see to.
pub(crate) struct Fading<K, V> {
    held: Mutex<Held<K, V>>,
    /// So that nobody takes the lock while there are none.
    len: AtomicUsize,
    pub(crate) lasting: Duration,
}

pub(crate) type Map<K, V> = HashMap<K, (Instant, V), RandomState>;

struct Held<K, V> {
    map: Map<K, V>,
    /// When those are looked for that are over. None while there is none at all.
    swept_at: Option<Instant>,
}

impl<K: Eq + Hash, V> Fading<K, V> {
    pub(crate) fn new(lasting: Duration) -> Self {
        let held = Held { map: Map::default(), swept_at: None };
        Self { held: Mutex::new(held), len: AtomicUsize::new(0), lasting }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Acquire) == 0
    }

    /// What is kept for this key, unless it is over.
    pub(crate) fn get(&self, key: &K) -> Option<V>
    where
        V: Clone,
    {
        if self.is_empty() {
            return None;
        }
        self.with(|map, now| {
            map.get(key).filter(|(until, _)| now < *until).map(|(_, value)| value.clone())
        })
    }

    /// Works on all of them under the lock; what is over may still be there. Sweeps now and then, so that none is left
    /// soon after the last one's time.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Map<K, V>, Instant) -> T) -> T {
        let now = Instant::now();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.swept_at.is_some_and(|at| at <= now) {
            held.map.retain(|_, (until, _)| now < *until);
            held.swept_at = None;
        }
        let out = work(&mut held.map, now);
        let next = (!held.map.is_empty()).then_some(now + self.lasting);
        held.swept_at = held.swept_at.or(next);
        self.len.store(held.map.len(), Ordering::Release);
        out
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).map.len();
        assert_eq!(held, self.len.load(Ordering::Acquire));
        held
    }
}

impl<K, V> fmt::Debug for Fading<K, V> {
    /// Shows no key: it may be personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fading").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_not_found_and_is_swept_in_the_end() {
        let fading = Fading::new(Duration::from_secs(10));
        let keep = |key| fading.with(|map, now| map.insert(key, (now + fading.lasting, key)));
        keep(1);
        tokio::time::advance(Duration::from_secs(6)).await;
        keep(2);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!((fading.get(&1), fading.get(&2), fading.len()), (None, Some(2), 1));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!((fading.get(&2), fading.len()), (None, 1), "not swept yet");
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!((fading.get(&2), fading.is_empty()), (None, true));
    }
}
