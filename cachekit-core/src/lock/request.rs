//! Asking for a lock that does not come from a cache, and the guard of one.

use std::{fmt, marker::PhantomData, time::Duration};

use tracing::Instrument as _;

use super::{
    acquire::{Asking, Patience},
    errors,
    handle::LockHandle,
    keeping::Keeping,
    queue::{MOST_CALLERS, Place, Queue, Turn},
    terms::Terms,
};
use crate::{error::Error, key::Key, observe, sync::within};

/// Where locks come from, other than a cache: [`Redlock`](crate::Redlock), [`SqlLock`](crate::SqlLock). It cannot be
/// implemented elsewhere.
#[cfg_attr(not(all(feature = "redis", feature = "_sqlx")), allow(rustdoc::broken_intra_doc_links))]
pub trait Locker: Clone + Send + Sync + 'static {
    /// As spans name it.
    #[doc(hidden)]
    const NAME: &'static str;

    /// Takes the lock.
    #[doc(hidden)]
    fn take(&self, asked: Asked<'_>) -> impl Future<Output = Result<Taken, Error>> + Send;
}

/// What is asked for.
#[doc(hidden)]
#[derive(Debug)]
pub struct Asked<'a> {
    pub(super) key: &'a Key,
    pub(super) terms: &'a Terms,
    pub(super) patience: Patience,
}

/// What was given.
#[doc(hidden)]
#[derive(Debug)]
pub struct Taken(pub(super) Keeping);

/// A lock that is about to be asked for: from [`Redlock::lock`](crate::Redlock::lock) or
/// [`SqlLock::lock`](crate::SqlLock::lock).
#[derive(Clone, Debug)]
#[must_use = "a lock is taken by `acquire`, `try_acquire` or `run`"]
pub struct LockRequest<L> {
    locker: L,
    key: Key,
    terms: Terms,
}

impl<L: Locker> LockRequest<L> {
    pub(super) fn new(locker: L, key: Key) -> LockRequest<L> {
        LockRequest { locker, key, terms: Terms::default() }
    }

    /// For how long the holder may rely on the lock without hearing that it still has it; 10 s by default, 100 ms to a
    /// day. It is asked for again at a third of this. What else it means depends on where the lock comes from.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.terms.lease = lease;
        self
    }

    /// How long [`acquire`](Self::acquire) and [`run`](Self::run) wait for others to release it; 10 s by default.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.terms.wait = wait;
        self
    }

    /// How long it is held at most, after which it counts as lost and is given back; an hour by default.
    pub fn max_hold(mut self, limit: Duration) -> Self {
        self.terms.max_hold = limit;
        self
    }

    /// Takes the lock, or waits for it: first for its turn among the callers of this process, in the order in which they
    /// came, then for other processes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WaitExhausted`](crate::ErrorKind::WaitExhausted) if it was not free within [`wait`](Self::wait);
    /// [`Overloaded`](crate::ErrorKind::Overloaded) if 1024 callers of this process wait for it already;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) and [`Timeout`](crate::ErrorKind::Timeout) if too few servers, or
    /// the database, can be reached or answer, whatever `wait` is; [`Config`](crate::ErrorKind::Config) for terms that can
    /// never work.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way nothing is held: what was taken, or may have been, is released in the background.
    pub async fn acquire(self) -> Result<KeptLock<L>, Error> {
        let patience = Patience::new(Some(self.terms.wait));
        self.take(patience).await
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy) if somebody holds it; otherwise as [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    pub async fn try_acquire(self) -> Result<KeptLock<L>, Error> {
        self.take(Patience::new(None)).await
    }

    /// Takes the lock, runs `work` under it as [`KeptLock::run`] does, and releases it. What does not get through of the
    /// release is left to the background, and the result of `work` is returned all the same.
    ///
    /// # Errors
    ///
    /// Those of [`acquire`](Self::acquire), after which `work` was not begun; and
    /// [`LockLost`](crate::ErrorKind::LockLost), after which it may have done anything.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way `work` is dropped, and the lock released in the background.
    pub async fn run<F: Future>(self, work: F) -> Result<F::Output, Error> {
        let guard = self.acquire().await?;
        let done = guard.run(work).await?;
        // A loss that came after the work is no concern of it.
        let _ = guard.release().await;
        Ok(done)
    }

    async fn take(self, patience: Patience) -> Result<KeptLock<L>, Error> {
        self.terms.check()?;
        let asked = Asked { key: &self.key, terms: &self.terms, patience };
        let template = self.key.template();
        let outcome = tracing::field::Empty;
        let span = tracing::debug_span!("cachekit.lock", template, from = L::NAME, outcome);
        let asking = Asking::new(template, span.clone());
        let Taken(keeping) = asking.done(self.locker.take(asked).instrument(span).await)?;
        let handle = LockHandle::of([keeping.hold().clone()]);
        Ok(KeptLock { handle, keeping, from: PhantomData })
    }
}

impl Asked<'_> {
    /// The turn of the key, which one caller of this process has at a time.
    pub(super) async fn turn(&self, queue: &std::sync::Arc<Queue>) -> Result<Turn, Error> {
        let place = queue.enter(self.key.as_str());
        let place = place.ok_or_else(|| errors::crowded(&self.key.to_template(), MOST_CALLERS))?;
        let place = match place.turn_now() {
            Ok(turn) => return Ok(turn),
            Err(place) => place,
        };
        observe::lock_contended(self.key.template(), "process");
        if !self.patience.waits() {
            return Err(self.in_vain());
        }
        within(self.patience.left(), Place::turn(place)).await.ok_or_else(|| self.in_vain())
    }

    /// Somebody else has it, and the time is up.
    pub(super) fn in_vain(&self) -> Error {
        let template = self.key.to_template();
        if self.patience.waits() {
            errors::exhausted(&template, self.patience.wait)
        } else {
            errors::busy(&template)
        }
    }
}

/// A lock that is held: a [`RedlockGuard`](crate::RedlockGuard) or a [`SqlLockGuard`](crate::SqlLockGuard).
///
/// It is kept in the background. Dropping it releases it in the background, without ever blocking;
/// [`release`](Self::release) does so and says what came of it.
#[must_use = "dropping a guard releases its lock"]
pub struct KeptLock<L> {
    pub(super) handle: LockHandle,
    keeping: Keeping,
    from: PhantomData<fn() -> L>,
}

impl<L> KeptLock<L> {
    /// Whether the lock is held now, by this machine's clock alone and by what was heard last. Call it before each step
    /// that cannot be undone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LockLost`](crate::ErrorKind::LockLost) if it was lost.
    pub fn check(&self) -> Result<(), Error> {
        self.handle.check()
    }

    /// Resolves when the lock is lost, with an error that says why.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any time it leaves nothing behind; call it again.
    pub async fn lost(&self) -> Error {
        self.handle.lost().await
    }

    /// Runs `work`, and drops it at its next await if the lock is lost meanwhile. What it had begun by then, a statement
    /// that was sent, may still be carried out.
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

    /// For how long it has been held.
    #[must_use]
    pub fn held_for(&self) -> Duration {
        self.handle.held_for()
    }

    /// Releases the lock and says what came of it. Only this acquisition is released, never another's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LockLost`](crate::ErrorKind::LockLost) if it was not held any more, so that others may have been at
    /// work at the same time; [`Unavailable`](crate::ErrorKind::Unavailable) or [`Timeout`](crate::ErrorKind::Timeout) if
    /// the release was not confirmed: the lock ends by itself then.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the release goes on in the background.
    pub async fn release(self) -> Result<(), Error> {
        self.keeping.release().await
    }

    /// Gives the lock up without releasing it: nobody gets it before the lease that was asked for is over. For work that
    /// was cut short and may still have an effect: SQL that was sent, a transaction whose rollback takes its time.
    pub fn leave_to_expire(self) {
        self.keeping.leave();
    }
}

impl<L> fmt::Debug for KeptLock<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptLock").field("handle", &self.handle).finish_non_exhaustive()
    }
}
