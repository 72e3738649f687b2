//! Asking for a lock: which keys, on what terms.

use std::{borrow::Cow, sync::Arc, time::Duration};

use super::{guard::LockGuard, locks::Locks, terms::Terms};
use crate::{cache::Cache, error::Error, key::Key};

/// A lock that is about to be asked for; made by [`Cache::lock`].
///
/// Over Redis all processes that use the same Redis and namespace exclude one another; without it the callers of
/// this process do. A held lock is renewed at a third of its lease until it is released, so the lease says how long
/// others wait for a holder that died, and not how long the work may take.
///
/// **What it is worth.** A holder that is stopped, or whose clock or network fails, may go on working after its
/// lease is over. [`LockGuard::run`] and [`LockGuard::check`] notice most of that; what a holder *writes* is
/// protected by the [fencing token](LockGuard::fencing_token) alone.
///
/// Nothing is reentrant: a task that holds a lock and asks for it again waits for itself. Give those that work under
/// the same lock a [`LockGuard::handle`].
///
/// ```
/// use std::time::Duration;
/// use cachekit::{Cache, ErrorKind, key};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cachekit::Error> {
/// let cache = Cache::builder().build()?;
/// let id = 7;
/// let lock = cache.lock(key!("order:<id>")).lease(Duration::from_secs(5));
///
/// let guard = lock.clone().acquire().await?;
/// let busy = lock.try_acquire().await.unwrap_err();
/// assert_eq!(busy.kind(), ErrorKind::Busy);
///
/// let paid = guard.run(async { "paid" }).await?;
/// guard.release().await?;
/// # assert_eq!(paid, "paid");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a lock is taken by `acquire`, `try_acquire` or `run`"]
pub struct Lock {
    pub(super) locks: Arc<Locks>,
    /// In canonical order, each once.
    pub(super) keys: Vec<Key>,
    pub(super) terms: Terms,
}

impl Lock {
    pub(super) fn new(locks: Arc<Locks>, keys: impl IntoIterator<Item = Key>) -> Lock {
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        keys.dedup();
        Lock { locks, keys, terms: Terms::default() }
    }

    /// Several locks that are held together; see [`Cache::lock_all`].
    pub fn all(cache: &Cache, keys: impl IntoIterator<Item = Key>) -> Lock {
        cache.lock_all(keys)
    }

    /// How long the lock outlives a holder that died; 10 s by default, 100 ms to a day.
    pub fn lease(mut self, lease: Duration) -> Lock {
        self.terms.lease = lease;
        self
    }

    /// How long [`acquire`](Self::acquire) and [`run`](Self::run) wait for others to release it; 10 s by default. Of
    /// several locks this is for all together.
    pub fn wait(mut self, wait: Duration) -> Lock {
        self.terms.wait = wait;
        self
    }

    /// Has all who wait, in all processes, served in the order in which they came. By default a caller that comes
    /// when the lock is free may take it before others have been woken, which saves round trips. Say it of every use
    /// of a lock or of none: callers without it may go ahead of those with it.
    pub fn fair(mut self) -> Lock {
        self.terms.fair = true;
        self
    }

    /// A label that is shown in Redis and in spans, such as the id of a request; at most 128 bytes.
    pub fn owner(mut self, label: impl Into<Cow<'static, str>>) -> Lock {
        self.terms.owner = Some(label.into());
        self
    }

    /// How long it is renewed at most, after which it counts as lost; an hour by default. This ends locks whose
    /// holder hangs, and those of guards that were forgotten.
    pub fn max_hold(mut self, limit: Duration) -> Lock {
        self.terms.max_hold = limit;
        self
    }

    /// Makes the [fencing token](LockGuard::fencing_token) greater than this: the greatest that the database has
    /// seen for the resource, at most 2⁵². Redis may lose its count, for it may lose its data; the database knows.
    pub fn above(mut self, floor: u64) -> Lock {
        self.terms.floor = floor;
        self
    }

    /// Takes the lock, or waits for it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WaitExhausted`](crate::ErrorKind::WaitExhausted) if it was not free within [`wait`](Self::wait);
    /// [`Overloaded`](crate::ErrorKind::Overloaded) if 1024 callers of this process wait for it already;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) and [`Timeout`](crate::ErrorKind::Timeout) if Redis cannot be
    /// reached or does not answer, within the connection's time-outs whatever `wait` is;
    /// [`Config`](crate::ErrorKind::Config) for terms that can never work.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way nothing is held: what was taken, or may have been, is released in the background.
    pub async fn acquire(self) -> Result<LockGuard, Error> {
        let wait = self.terms.wait;
        self.get(Some(wait)).await
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
    pub async fn try_acquire(self) -> Result<LockGuard, Error> {
        self.get(None).await
    }

    /// Takes the lock, runs `work` under it as [`LockGuard::run`] does, and releases it. If the release does not get
    /// through it is tried again in the background, and the result of `work` is returned all the same.
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
        // What is not released now is so in the background.
        let _ = guard.release().await;
        Ok(done)
    }
}

impl Cache {
    /// The lock of this key, to be taken by [`acquire`](Lock::acquire), [`try_acquire`](Lock::try_acquire) or
    /// [`run`](Lock::run); see [`Lock`]. Keys of locks and keys of entries do not touch each other.
    pub fn lock(&self, key: Key) -> Lock {
        self.lock_all([key])
    }

    /// The locks of all these keys, to be held together. They are taken one after the other in an order that is the
    /// same for everybody, so that nobody waits in a circle; where one cannot be had, those before it are released.
    ///
    /// ```
    /// use cachekit::{Cache, key};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cachekit::Error> {
    /// let cache = Cache::builder().build()?;
    /// let (from, to) = (7, 3);
    /// let both = [key!("account:<from>"), key!("account:<to>")];
    /// let guard = cache.lock_all(both).acquire().await?;
    /// assert_eq!(guard.fencing_tokens().len(), 2);
    /// guard.release().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn lock_all(&self, keys: impl IntoIterator<Item = Key>) -> Lock {
        Lock::new(Locks::of(self.engine().map(|engine| &**engine)), keys)
    }

    /// How long locks of this template, such as `order:<id>`, were held of late in this process; `None` before the
    /// first was released. What a caller that met a busy lock may be told to wait.
    #[must_use]
    pub fn mean_lock_hold(&self, template: &str) -> Option<Duration> {
        Locks::of(self.engine().map(|engine| &**engine)).mean_hold(template)
    }
}
