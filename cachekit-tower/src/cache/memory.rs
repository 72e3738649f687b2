//! What was stored at which place lately, to tell why something is missing now.

use std::{
    collections::HashMap,
    hash::BuildHasher as _,
    sync::{Mutex, PoisonError},
};

use super::{cache_status::Forward, gates::Digest};

/// So many places are remembered; then all are forgotten. It is for the eye alone.
const MOST: usize = 4096;

/// The last response of each place: host, path and query.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    places: Mutex<HashMap<u64, Last>>,
    hasher: foldhash::fast::RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    digest: Digest,
    end_ms: u64,
}

impl Memory {
    pub(crate) fn place(&self, host: &str, path: &str, query: Option<&str>) -> u64 {
        self.hasher.hash_one((host, path, query))
    }

    /// Something was stored that is good until then.
    pub(crate) fn note(&self, place: u64, digest: Digest, end_ms: u64) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MOST && !places.contains_key(&place) {
            places.clear();
        }
        places.insert(place, Last { digest, end_ms });
    }

    /// Why nothing was found; `varies`: other headers alone make another response.
    pub(crate) fn why(&self, place: u64, digest: &Digest, varies: bool, now_ms: u64) -> Forward {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        match places.get(&place) {
            Some(last) if last.digest == *digest && last.end_ms <= now_ms => Forward::Stale,
            Some(last) if last.digest != *digest && varies => Forward::VaryMiss,
            _ => Forward::UriMiss,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_tells_why_it_is_missing() {
        let memory = Memory::default();
        let place = memory.place("h", "/a", None);
        assert_ne!(place, memory.place("h", "/a", Some("")));
        let why = |digest, varies, now| memory.why(place, &digest, varies, now);
        assert_eq!(why([1; 16], true, 0), Forward::UriMiss);
        memory.note(place, [1; 16], 10);
        assert_eq!(why([1; 16], true, 9), Forward::UriMiss, "it was invalidated");
        assert_eq!(why([1; 16], true, 10), Forward::Stale);
        assert_eq!(why([2; 16], true, 10), Forward::VaryMiss);
        assert_eq!(why([2; 16], false, 10), Forward::UriMiss);
    }
}
