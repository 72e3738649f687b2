//! What keeps a lock though its call has gone away: a COMMIT that is on its way.

use std::sync::Arc;

use super::guard::LockGuard;
use crate::sync::{Mutex, lock, task_local};

task_local! {
    static UNDER: Under;
}

/// The locks that a body runs under, from the inside out; as long as a clone lives, they are held, unless
/// [`take`](Under::take) has released them.
#[derive(Clone, Debug)]
pub(crate) struct Under(Arc<Held>);

#[derive(Debug)]
struct Held {
    guard: Mutex<Option<LockGuard>>,
    _outer: Option<Under>,
}

impl Under {
    /// This lock, and those that the caller runs under.
    pub(crate) fn new(guard: LockGuard) -> Under {
        Under(Arc::new(Held { guard: Mutex::new(Some(guard)), _outer: Under::current() }))
    }

    /// The locks that this task runs under, for work that goes on without it.
    pub(crate) fn current() -> Option<Under> {
        UNDER.try_with(Clone::clone).ok()
    }

    /// Runs `work` under them.
    pub(crate) async fn scope<F: Future>(self, work: F) -> F::Output {
        UNDER.scope(self, work).await
    }

    /// The innermost guard, to be released now.
    pub(crate) fn take(&self) -> Option<LockGuard> {
        lock(&self.0.guard).take()
    }
}
