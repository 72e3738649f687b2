//! The guard: while it lives the lock is held and renewed.

use std::{sync::Arc, time::Duration};

use super::{handle::LockHandle, hold::Hold, tie::Tie};
use crate::{error::Error, key::Key};

/// A lock that is held; see [`Lock`](crate::Lock).
///
/// It is renewed in the background. Dropping it releases it in the background, without ever blocking;
/// [`release`](Self::release) does so and says what came of it.
#[derive(Debug)]
#[must_use = "dropping a guard releases its lock"]
pub struct LockGuard {
    handle: LockHandle,
    /// One a key.
    ties: Vec<Tie>,
}

impl LockGuard {
    pub(super) fn new(ties: Vec<Tie>) -> LockGuard {
        let holds: Vec<Arc<Hold>> = ties.iter().map(Tie::hold).collect();
        LockGuard { handle: LockHandle::of(holds), ties }
    }

    /// The number of this acquisition, greater than that of every earlier one of the same resource: over Redis in
    /// all processes, otherwise in this one. Of several locks: that of the first key.
    ///
    /// Write it beside what is written under the lock, and refuse there what comes with a smaller one:
    /// `UPDATE … SET …, fence = $t WHERE id = $id AND fence <= $t`. This is what protects from a holder that
    /// goes on after it lost the lock. If Redis loses its data the count begins anew, unless
    /// [`Lock::above`](crate::Lock::above) says where it was.
    #[must_use]
    pub fn fencing_token(&self) -> u64 {
        self.handle.fencing_token()
    }

    /// The fencing token of each key, in the order of the keys' texts.
    #[must_use]
    pub fn fencing_tokens(&self) -> Vec<(Key, u64)> {
        self.ties.iter().map(|tie| (tie.key().clone(), tie.hold().fence())).collect()
    }

    /// Whether the lock is held now; see [`LockHandle::check`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LockLost`](crate::ErrorKind::LockLost) if it was lost.
    pub fn check(&self) -> Result<(), Error> {
        self.handle.check()
    }

    /// Resolves when the lock is lost; see [`LockHandle::lost`].
    ///
    /// # Cancel safety
    ///
    /// Dropped at any time it leaves nothing behind; call it again.
    pub async fn lost(&self) -> Error {
        self.handle.lost().await
    }

    /// Runs `work`, and drops it at its next await if the lock is lost meanwhile. What it had begun by then, a
    /// statement that was sent, may still be carried out: only the [fencing token](Self::fencing_token) protects
    /// from that. Work that blocks its thread cannot be stopped; call [`check`](Self::check) before what cannot be
    /// undone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LockLost`](crate::ErrorKind::LockLost) if it was lost; how much of `work` was done is unknown.
    ///
    /// # Cancel safety
    ///
    /// As `work`; the lock stays held.
    pub async fn run<F: Future>(&self, work: F) -> Result<F::Output, Error> {
        self.handle.run(work).await
    }

    /// What the guarded work may know of the lock: a handle that can be cloned and sent elsewhere, and cannot release.
    #[must_use]
    pub fn handle(&self) -> LockHandle {
        self.handle.clone()
    }

    /// For how long it has been held.
    #[must_use]
    pub fn held_for(&self) -> Duration {
        self.handle.held_for()
    }

    /// Releases the lock and says what came of it. Only this acquisition is released, never another's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LockLost`](crate::ErrorKind::LockLost) if it was not held any more, so that others may have
    /// been at work at the same time; [`Unavailable`](crate::ErrorKind::Unavailable) or
    /// [`Timeout`](crate::ErrorKind::Timeout) if Redis did not confirm: it is tried again in the background until
    /// the lease is over.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the release goes on in the background.
    pub async fn release(mut self) -> Result<(), Error> {
        let mut result = Ok(());
        // Those not reached when this is dropped are released as a dropped guard's are.
        while let Some(tie) = self.ties.pop() {
            result = result.and(tie.release().await);
        }
        result
    }

    /// Gives the lock up without releasing it: it is renewed no more, and nobody gets it before its lease is over.
    /// For work that was cut short and may still have an effect: SQL that was sent, a transaction whose rollback
    /// takes its time.
    pub fn leave_to_expire(mut self) {
        self.ties.drain(..).for_each(Tie::leave);
    }
}
