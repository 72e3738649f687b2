//! A look at a key's invalidations over some time.

use std::sync::Arc;

use super::Registry;
use crate::key::{KeyRef, StoredKey};

/// Keeps a key's slot, and knows how often it had been invalidated when it began. Fills are none of its business.
#[derive(Debug)]
pub(crate) struct Watch {
    registry: Arc<Registry>,
    key: StoredKey,
    invalidations: u64,
}

impl Watch {
    pub(crate) fn begin(registry: &Arc<Registry>, key: &KeyRef<'_>) -> Self {
        let invalidations = registry.watch(key);
        Self { registry: registry.clone(), key: StoredKey::from(key), invalidations }
    }

    /// Whether the key was not invalidated since.
    pub(crate) fn saw_nothing(&self) -> bool {
        self.registry.invalidations(&self.key.as_ref()) == Some(self.invalidations)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.registry.unwatch(&self.key.as_ref());
    }
}
