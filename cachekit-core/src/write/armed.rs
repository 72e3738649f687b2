//! A writer's guard: its keys are invalidated however its body ends.

use std::{sync::Arc, time::Duration};

use super::Writers;
use crate::{cache::Context, engine::Engine, key::Key};

/// Armed before a body begins. Dropped, by a panic or by a caller that went away, it hands its
/// keys to the queue: nobody can tell whether the database has done the write.
#[derive(Debug)]
pub(crate) struct Armed {
    engine: Arc<Engine>,
    keys: Vec<Key>,
    again_after: Option<Duration>,
}

impl Armed {
    pub(crate) fn new(engine: &Arc<Engine>, keys: Vec<Key>, again_after: Option<Duration>) -> Self {
        Context::note_write();
        Self { engine: engine.clone(), keys, again_after }
    }

    /// Room for keys that are known only now.
    pub(crate) fn keys(&mut self) -> &mut Vec<Key> {
        &mut self.keys
    }

    /// The body proved that nothing was written.
    pub(crate) fn disarm(mut self) {
        self.keys.clear();
    }

    /// Invalidates the keys, in the poll that ended the body.
    pub(crate) fn fire(mut self) -> Writers {
        self.submit()
    }

    fn submit(&mut self) -> Writers {
        let keys = std::mem::take(&mut self.keys);
        if let Some(after) = self.again_after {
            keys.iter().for_each(|key| self.engine.queue.push_again(&self.engine, key, after));
        }
        Writers::submit(&self.engine, keys)
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        if !self.keys.is_empty() {
            drop(self.submit());
        }
    }
}
