//! How often entries of another type are replaced.

use std::collections::HashMap;

use crate::{
    key::{Key, PassThroughState},
    sync::{Mutex, lock},
};

const PAUSE_MS: u64 = 10_000;
const KEYS: usize = 4096;

/// Keys whose foreign entries were replaced of late.
#[derive(Debug, Default)]
pub(crate) struct Replaced(Mutex<HashMap<u64, u64, PassThroughState>>);

impl Replaced {
    /// Whether the entry of `key` may be replaced now. At most once in 10 s for each key, and for
    /// no more keys than this remembers: beyond that reads go past the cache.
    pub(crate) fn allow(&self, key: &Key, now_ms: u64) -> bool {
        let mut times = lock(&self.0);
        if times.len() >= KEYS {
            times.retain(|_, at| now_ms.saturating_sub(*at) < PAUSE_MS);
        }
        let recent = times.get(&key.hash()).is_some_and(|at| now_ms.saturating_sub(*at) < PAUSE_MS);
        let allowed = !recent && times.len() < KEYS;
        if allowed {
            times.insert(key.hash(), now_ms);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyBuf, Segment};

    fn key(id: u64) -> Key {
        KeyBuf::new("k:<id>", |w| {
            w.literal("k:");
            w.segment(|w| id.write(w));
        })
        .into_key()
    }

    #[test]
    fn a_key_is_replaced_once_in_ten_seconds() {
        let replaced = Replaced::default();
        assert!(replaced.allow(&key(1), 5));
        assert!(!replaced.allow(&key(1), 10_004));
        assert!(replaced.allow(&key(2), 10_004));
        assert!(replaced.allow(&key(1), 10_005));
    }

    #[test]
    fn it_remembers_a_bounded_number_of_keys() {
        let replaced = Replaced::default();
        let allowed = (0..10_000).filter(|id| replaced.allow(&key(*id), 0)).count();
        assert_eq!(allowed, KEYS);
        assert!(replaced.allow(&key(77_777), PAUSE_MS));
    }
}
