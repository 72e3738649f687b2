//! What keeps a lock though its call has gone away: a COMMIT that is on its way.

use std::sync::Arc;

use super::guard::LockGuard;
use crate::sync::task_local;

task_local! {
    static UNDER: Under;
}

/// The locks that a body runs under, from the inside out; as long as a clone lives, they are held.
#[derive(Clone, Debug)]
pub(crate) struct Under(Arc<Held>);

#[derive(Debug)]
struct Held {
    guard: LockGuard,
    _outer: Option<Under>,
}

impl Under {
    /// This lock, and those that the caller runs under.
    pub(crate) fn new(guard: LockGuard) -> Under {
        Under(Arc::new(Held { guard, _outer: Under::current() }))
    }

    /// The locks that this task runs under, for work that goes on without it.
    pub(crate) fn current() -> Option<Under> {
        UNDER.try_with(Clone::clone).ok()
    }

    /// Runs `work` under them.
    pub(crate) async fn scope<F: Future>(self, work: F) -> F::Output {
        UNDER.scope(self, work).await
    }

    /// The innermost guard, to be released now; where work goes on under it, that releases it at its end.
    pub(crate) fn into_guard(self) -> Option<LockGuard> {
        Arc::into_inner(self.0).map(|held| held.guard)
    }
}
