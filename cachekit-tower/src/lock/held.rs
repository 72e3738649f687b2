//! A lock that a handler runs under.

use cachekit_core::{LockGuard, LockHandle};

use crate::observe;

/// The guard of a handler, or of its body. Dropped before the handler has begun, or by a panic in it, it releases; a
/// handler that is dropped in mid-way leaves the lock to expire, for what it has sent may be carried out still.
#[derive(Debug)]
pub(super) struct Held {
    /// `None`: Redis could not be reached, and the handler runs all the same.
    guard: Option<LockGuard>,
    runs: bool,
}

impl Held {
    pub(super) fn new(guard: Option<LockGuard>) -> Self {
        Self { guard, runs: false }
    }

    pub(super) fn handle(&self) -> Option<LockHandle> {
        self.guard.as_ref().map(LockGuard::handle)
    }

    /// Runs the handler, if the lock is not lost meanwhile; `None` if it was.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way, the handler is, and the lock is left to expire with this.
    pub(super) async fn run<F: Future>(&mut self, handler: F) -> Option<F::Output> {
        self.runs = true;
        let output = match &self.guard {
            Some(guard) => guard.run(handler).await.ok(),
            None => Some(handler.await),
        };
        self.runs = false;
        output
    }

    /// Releases the lock; that it fails is not for the client, who has its answer.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way it goes on in the background.
    pub(super) async fn release(mut self) {
        if let Some(guard) = self.guard.take()
            && let Err(error) = guard.release().await
        {
            observe::release_failed(&error);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(guard) = self.guard.take() else { return };
        if self.runs && !std::thread::panicking() {
            guard.leave_to_expire();
        }
    }
}
