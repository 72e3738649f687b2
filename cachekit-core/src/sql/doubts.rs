//! Keys of transactions of which nobody knows what became, until somebody does.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::outbox::{RowId, Verdict};
use crate::{
    engine::Engine,
    key::Key,
    sync::{Mutex, lock},
    write::Writers,
};

/// How many transactions of one cache are asked for at once.
const ASKING: usize = 4;

/// The transactions in doubt, by the ids of their rows. Their keys are dirty in this process.
#[derive(Debug)]
pub(crate) struct Doubts {
    open: Mutex<HashMap<RowId, Doubt>>,
    /// A permit for each key that may be in doubt.
    room: Arc<Semaphore>,
    /// Some transaction had no room: nobody will know what became of it.
    too_many: AtomicBool,
    /// Taken by those who ask a database.
    pub(super) asking: Semaphore,
}

#[derive(Debug)]
struct Doubt {
    keys: Vec<Key>,
    _room: OwnedSemaphorePermit,
}

impl Doubts {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            open: Mutex::default(),
            room: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))),
            too_many: AtomicBool::new(false),
            asking: Semaphore::new(ASKING),
        }
    }

    /// Remembers a transaction, whose keys are marked already. `false` if there is no room: from
    /// then on the whole cache is read past.
    pub(super) fn add(&self, id: RowId, keys: Vec<Key>) -> bool {
        let count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let Ok(room) = self.room.clone().try_acquire_many_owned(count) else {
            if !self.too_many.swap(true, Ordering::AcqRel) {
                tracing::error!(
                    "too many COMMITs have an unknown outcome: the cache is read past until this process is started anew"
                );
            }
            return false;
        };
        lock(&self.open).insert(id, Doubt { keys, _room: room });
        true
    }

    pub(crate) fn are_too_many(&self) -> bool {
        self.too_many.load(Ordering::Acquire)
    }

    pub(super) fn holds(&self, id: RowId) -> bool {
        lock(&self.open).contains_key(&id)
    }

    /// It is known what became of a transaction: from its own connection, by a verdict, or from a
    /// relay that has seen its row.
    pub(crate) fn resolve(&self, engine: &Arc<Engine>, id: RowId, verdict: Verdict) {
        let Some(Doubt { keys, .. }) = lock(&self.open).remove(&id) else { return };
        if verdict == Verdict::Committed {
            drop(Writers::submit(engine, keys.iter().cloned()));
        }
        clean(engine, &keys);
    }
}

/// Takes back the marks of one transaction in doubt.
pub(super) fn clean(engine: &Engine, keys: &[Key]) {
    keys.iter().for_each(|key| engine.clean(key, 1));
}
