//! Who hears of an invalidation that does not get through.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

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

/// The user's dead-letter hook.
#[derive(Clone)]
pub(crate) struct Hook(Arc<dyn Fn(&DeadLetter) + Send + Sync>);

impl Hook {
    pub(crate) fn new(hook: impl Fn(&DeadLetter) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    /// Calls the hook without locks. A panic in it must not end the worker that calls it.
    pub(crate) fn call(&self, letter: &DeadLetter) {
        if std::panic::catch_unwind(AssertUnwindSafe(|| (self.0)(letter))).is_err() {
            tracing::error!(
                template = letter.key.template(),
                "the dead-letter hook panicked; it must not"
            );
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook(..)")
    }
}
