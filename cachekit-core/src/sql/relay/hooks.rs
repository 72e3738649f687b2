//! Who hears of rows that are given up, and of a backlog that grows old.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

use crate::sql::outbox::RowId;

/// A row that a relay has given up: what it says was not invalidated, or not published.
///
/// It stays in the table until it is [sent again](super::redrive); entries of its keys may be served until they expire.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadRow {
    /// The row.
    pub id: RowId,
    /// How often it was tried.
    pub attempts: u32,
    /// What was wrong in the end, without keys and contents.
    pub error: String,
}

type Function<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// A function of the user's.
pub(super) struct Hook<T>(Option<Function<T>>);

impl<T> Hook<T> {
    pub(super) fn new(hook: impl Fn(&T) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    /// A panic in it must not end the relay that calls it.
    pub(super) fn call(&self, subject: &T) {
        let Some(hook) = &self.0 else { return };
        if std::panic::catch_unwind(AssertUnwindSafe(|| hook(subject))).is_err() {
            tracing::error!("a hook of the relay panicked; it must not");
        }
    }
}

impl<T> Default for Hook<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> fmt::Debug for Hook<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Hook(..)" } else { "Hook(none)" })
    }
}
