//! The lease of the one process that writes.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::redis::Owner;

/// The role of the writer, for as long as it is known to be ours.
#[derive(Debug)]
pub(super) struct Held<'a> {
    owner: &'a Owner,
    lease: Duration,
    /// Counted from before the lease was asked for: Redis lets go of it no earlier.
    until: Instant,
    renew: Instant,
}

impl<'a> Held<'a> {
    pub(super) fn since(asked: Instant, owner: &'a Owner, lease: Duration) -> Self {
        Held { owner, lease, until: asked + lease, renew: asked + lease / 3 }
    }

    /// Runs `work` and keeps the role up. `None`: it was lost, and `work` dropped before another may have it.
    pub(super) async fn during<F: Future>(&mut self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                () = sleep_until(self.until) => return None,
                () = sleep_until(self.renew) => if !self.keep().await { return None },
                out = &mut work => return Some(out),
            }
        }
    }

    /// `false`: another has it.
    async fn keep(&mut self) -> bool {
        let asked = Instant::now();
        match timeout_at(self.until, self.owner.own(self.lease)).await {
            Ok(Ok(true)) => *self = Held::since(asked, self.owner, self.lease),
            Ok(Ok(false)) => return false,
            Ok(Err(_)) | Err(_) => self.renew = Instant::now() + self.lease / 10,
        }
        true
    }
}
