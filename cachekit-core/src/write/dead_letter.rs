//! Invalidations that do not get through.

use crate::key::Key;

/// An invalidation that has failed so often that somebody should know.
///
/// It is not given up: the key stays dirty in this process, and tries go on every 30 s and
/// whenever the store comes back.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The key. Its text may hold personal data; `Debug` shows the template.
    pub key: Key,
    /// Tries so far; 0 if the queue had no room for it.
    pub tries: u32,
}
