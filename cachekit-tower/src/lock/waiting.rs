//! How many requests of this process wait for each lock.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cachekit_core::Key;

/// How many wait, by key. A key that nobody waits for takes no room.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<HashMap<Key, usize>>);

/// A place among those that wait; dropping it leaves it.
#[derive(Debug)]
pub(super) struct Places {
    waiting: Arc<Waiting>,
    keys: Vec<Key>,
}

impl Waiting {
    /// A place at each of the keys, unless so many wait for one of them already.
    pub(super) fn take(self: &Arc<Self>, keys: &[Key], most: usize) -> Option<Places> {
        let mut waiting = self.lock();
        let full = |key| waiting.get(key).is_some_and(|waiting| *waiting >= most);
        if keys.iter().any(full) {
            return None;
        }
        keys.iter().for_each(|key| *waiting.entry(key.clone()).or_default() += 1);
        drop(waiting);
        Some(Places { waiting: self.clone(), keys: keys.to_vec() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock();
        for key in &self.keys {
            if let Some(left) = waiting.get_mut(key) {
                *left -= 1;
                if *left == 0 {
                    waiting.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cachekit::key;

    use super::*;

    #[test]
    fn places_are_bounded_and_leave_no_trace() {
        let waiting = Arc::new(Waiting::default());
        let (one, two) = (1, 2);
        let (one, two) = (key!("a:<one>"), key!("a:<two>"));
        let first = waiting.take(std::slice::from_ref(&one), 2).unwrap();
        let both = waiting.take(&[one.clone(), two.clone()], 2).unwrap();
        assert!(waiting.take(&[two.clone(), one.clone()], 2).is_none());
        let other = waiting.take(std::slice::from_ref(&two), 2).unwrap();
        drop((first, other));
        assert_eq!(waiting.lock().len(), 2);
        drop(both);
        assert!(waiting.lock().is_empty());
    }
}
