//! What ties a guard to one lock.

use std::{sync::Arc, time::Duration};

use super::{errors, hold::Hold, locks::Locks, queue::Turn};
#[cfg(feature = "redis")]
use super::{
    hold::Loss,
    remote::{Granted, Remote},
};
use crate::{
    error::Error,
    key::Key,
    observe,
    sync::{Runtime, sleep},
};

/// What ties a guard to one lock; dropping it releases that in the background.
#[derive(Debug)]
pub(super) struct Tie {
    key: Key,
    hold: Arc<Hold>,
    locks: Arc<Locks>,
    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    lease: Duration,
    /// None where all that is locked is the turn.
    #[cfg(feature = "redis")]
    granted: Option<Granted>,
    /// From its end on, until it is released; before that the hold has it.
    turn: Option<Turn>,
    /// It was told of its end.
    ended: bool,
}

impl Tie {
    /// A lock of this process alone.
    pub(super) fn local(
        key: &Key,
        locks: &Arc<Locks>,
        hold: Hold,
        turn: Turn,
        lease: Duration,
    ) -> Tie {
        let hold = Arc::new(hold);
        hold.keep(turn);
        Tie {
            key: key.clone(),
            hold,
            locks: locks.clone(),
            lease,
            #[cfg(feature = "redis")]
            granted: None,
            turn: None,
            ended: false,
        }
    }

    /// A lock in Redis.
    #[cfg(feature = "redis")]
    pub(super) fn remote(
        key: &Key,
        locks: &Arc<Locks>,
        granted: Granted,
        turn: Option<Turn>,
        lease: Duration,
    ) -> Tie {
        let (key, hold, locks) = (key.clone(), granted.hold.clone(), locks.clone());
        if let Some(turn) = turn {
            hold.keep(turn);
        }
        Tie { key, hold, locks, lease, granted: Some(granted), turn: None, ended: false }
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn hold(&self) -> Arc<Hold> {
        self.hold.clone()
    }

    /// Releases it now.
    pub(super) async fn release(mut self) -> Result<(), Error> {
        let ended = self.end();
        #[cfg(feature = "redis")]
        if let (Some(granted), Some(remote)) = (self.granted.take(), self.locks.remote()) {
            let given_back = self.give_back(remote, granted);
            return match ended {
                true => given_back.await,
                // What is not held any more need not be waited for.
                false => Err(self.lost()),
            };
        }
        if ended { Ok(()) } else { Err(self.lost()) }
    }

    #[cfg(feature = "redis")]
    async fn give_back(&self, remote: &Remote, granted: Granted) -> Result<(), Error> {
        use crate::redis::LockFound;
        let Some(claim) = granted.lease.claim() else { return Ok(()) };
        let loss = match remote.store.lock_release(&claim.keys, &claim.token).await {
            Ok(LockFound::Own { woken }) => {
                granted.lease.forget();
                if let Some(turn) = &self.turn {
                    turn.note_release(woken);
                }
                return Ok(());
            }
            Ok(LockFound::Gone) => Loss::Deleted,
            Ok(LockFound::Foreign) => Loss::Taken,
            // The lease is dropped, and so given back in the background.
            Err(error) => {
                return Err(errors::unavailable(errors::RELEASE, self.hold.template(), error));
            }
        };
        granted.lease.forget();
        observe::lock_lost(self.hold.template().as_str(), loss.as_str());
        Err(errors::lost(self.hold.template(), Some(loss)))
    }

    /// Lets go of it; the lock goes on to the end of its lease.
    pub(super) fn leave(mut self) {
        self.end();
        #[cfg(feature = "redis")]
        if let Some(granted) = self.granted.take() {
            return granted.lease.forget();
        }
        // It was lost, and may be another's by now, if there is none.
        let Some(turn) = self.turn.take() else { return };
        let lease = self.lease;
        Runtime::current().spawn(async move {
            sleep(lease).await;
            drop(turn);
        });
    }

    /// Renews it no more, and tells of it. `true` if it was held till now.
    fn end(&mut self) -> bool {
        if std::mem::replace(&mut self.ended, true) {
            return false;
        }
        let template = self.hold.template();
        let held = self.hold.held_for();
        let ended = self.hold.end();
        self.turn = self.hold.take_turn();
        #[cfg(feature = "redis")]
        let watched = match (&self.granted, self.locks.remote()) {
            (Some(granted), Some(remote)) => remote.keeper.held.remove(granted.number),
            _ => true,
        };
        #[cfg(not(feature = "redis"))]
        let watched = true;
        if ended {
            self.locks.stats().held(template, held);
            observe::lock_held(template.as_str(), held);
        } else if let Some(loss) = self.hold.loss()
            && watched
        {
            // Otherwise the keeper has told of it.
            observe::lock_lost(template.as_str(), loss.as_str());
        }
        ended
    }

    fn lost(&self) -> Error {
        errors::lost(self.hold.template(), self.hold.loss())
    }
}

impl Drop for Tie {
    fn drop(&mut self) {
        self.end();
        #[cfg(feature = "redis")]
        if let Some(granted) = self.granted.take() {
            granted.lease.give_back(self.turn.take());
        }
    }
}
