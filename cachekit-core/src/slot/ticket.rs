//! The right to insert into the in-process tier, lost to any invalidation that comes in between.

use std::sync::Arc;

use super::{Detached, Registry};
use crate::key::Key;

/// Taken when a load begins; given back on drop.
#[derive(Debug)]
pub(crate) struct Ticket {
    registry: Arc<Registry>,
    key: Key,
    epoch: u64,
}

impl Ticket {
    /// `None` while the key is dirty.
    pub(crate) fn take(registry: &Arc<Registry>, key: &Key) -> Option<Self> {
        Self::take_with(registry, key, false)
    }

    /// Takes a ticket and voids those that others have: what they loaded may be older than a value
    /// that this caller is about to be given.
    pub(crate) fn take_alone(registry: &Arc<Registry>, key: &Key) -> Option<Self> {
        Self::take_with(registry, key, true)
    }

    fn take_with(registry: &Arc<Registry>, key: &Key, alone: bool) -> Option<Self> {
        let epoch = registry.take_ticket(&key.as_ref(), alone)?;
        Some(Self { registry: registry.clone(), key: key.clone(), epoch })
    }

    /// Runs `insert` if the key was not invalidated, nor filled by another load, since the ticket
    /// was taken.
    pub(crate) fn redeem<T>(&self, insert: impl FnOnce() -> T) -> Option<T> {
        self.registry.insert(&self.key.as_ref(), self.epoch, insert)
    }

    /// [`redeem`](Self::redeem) for a value that was written: no flight of before is joined any more.
    pub(crate) fn supersede<T>(&self, insert: impl FnOnce() -> T) -> Option<(Detached, T)> {
        self.registry.supersede(&self.key.as_ref(), self.epoch, insert)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.registry.return_ticket(&self.key.as_ref());
    }
}
