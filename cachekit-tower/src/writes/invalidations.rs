//! Keys that the handler names.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cachekit_core::{Cache, Key};

use super::owed::submit;

/// So many are kept until the end; more are invalidated at once.
const MOST: usize = 1024;

/// An extension of the request: what the handler pushes here is invalidated with what the layer finds by itself.
///
/// A clone is the same one. What is pushed after the response has ended is invalidated at once.
///
/// ```
/// use cachekit::key;
/// use cachekit_tower::Invalidations;
///
/// fn rename(request: &http::Request<()>, id: u64) {
///     // … writes …
///     if let Some(invalidations) = request.extensions().get::<Invalidations>() {
///         invalidations.push(key!("user:<id>"));
///     }
/// }
/// # rename(&http::Request::new(()), 7);
/// ```
#[derive(Clone)]
pub struct Invalidations {
    cache: Cache,
    keys: Arc<Mutex<Keys>>,
}

#[derive(Default)]
struct Keys {
    keys: Vec<Key>,
    closed: bool,
}

impl Invalidations {
    pub(super) fn new(cache: &Cache) -> Self {
        Self { cache: cache.clone(), keys: Arc::default() }
    }

    /// Has the key invalidated with the response, unless that says that nothing was written.
    pub fn push(&self, key: Key) {
        let refused = {
            let mut keys = self.lock();
            if keys.closed || keys.keys.len() >= MOST {
                Some(key)
            } else {
                keys.keys.push(key);
                None
            }
        };
        if let Some(key) = refused {
            submit(&self.cache, vec![key]);
        }
    }

    /// What was pushed so far.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.lock().keys.clone()
    }

    /// What was pushed; later ones are on their own.
    pub(super) fn close(&self) -> Vec<Key> {
        let mut keys = self.lock();
        keys.closed = true;
        std::mem::take(&mut keys.keys)
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Invalidations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalidations").field("keys", &self.lock().keys).finish_non_exhaustive()
    }
}
