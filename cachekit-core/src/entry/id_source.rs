//! Where fresh ids come from.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use super::Id;

/// Makes the ids of one link connection; a new connection needs a new source.
pub(crate) struct IdSource {
    prefix: [u8; 8],
    counter: AtomicU64,
}

impl IdSource {
    /// Draws the random half from the system now: a cloned machine, whose links all reconnect, draws another.
    pub(crate) fn new() -> IdSource {
        let mut prefix = [0; 8];
        if getrandom::fill(&mut prefix).is_err() {
            prefix = improvised().to_be_bytes();
        }
        IdSource { prefix, counter: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> Id {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.prefix);
        id[8..].copy_from_slice(&count.to_be_bytes());
        Id(id)
    }
}

/// For a system without randomness: process, moment and the hasher's own keys, mixed.
fn improvised() -> u64 {
    RandomState::new().hash_one((SystemTime::now(), std::process::id()))
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdSource").finish_non_exhaustive()
    }
}
