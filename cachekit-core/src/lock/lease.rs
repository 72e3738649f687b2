//! What Redis has granted, or may have: given back by whoever drops it.

use std::{fmt, sync::Arc, time::Duration};

use super::{keeper::Keeper, queue::Turn};
use crate::redis::LockKeys;

/// A token under a lock's key in Redis, or one that may be there. Dropping it has it released in the background.
pub(super) struct Lease {
    claim: Option<Claim>,
    keeper: Arc<Keeper>,
}

/// What is needed to release a lock or to renew it.
#[derive(Clone)]
pub(super) struct Claim {
    pub(super) keys: Arc<LockKeys>,
    pub(super) token: Arc<str>,
    pub(super) lease: Duration,
    /// Whether Redis has said so.
    pub(super) granted: bool,
    /// Whether it may still be granted after a release was answered: a command that was sent over another connection
    /// may be carried out late.
    pub(super) unsure: bool,
}

impl Lease {
    pub(super) fn new(keeper: Arc<Keeper>, claim: Claim) -> Lease {
        Lease { claim: Some(claim), keeper }
    }

    pub(super) fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    /// It is held for certain.
    pub(super) fn confirm(&mut self) {
        if let Some(claim) = &mut self.claim {
            claim.granted = true;
        }
    }

    /// Nobody knows what became of the command that asked for it.
    pub(super) fn doubt(&mut self) {
        if let Some(claim) = &mut self.claim {
            claim.unsure = true;
        }
    }

    /// There is nothing to give back, or it is to run out.
    pub(super) fn forget(mut self) {
        self.claim = None;
    }

    /// Has it released in the background, and the turn passed on after that.
    pub(super) fn give_back(mut self, turn: Option<Turn>) {
        if let Some(claim) = self.claim.take() {
            self.keeper.release(claim, turn);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.keeper.release(claim, None);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token never leaves the process but to Redis.
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("lease", &self.lease).finish_non_exhaustive()
    }
}
