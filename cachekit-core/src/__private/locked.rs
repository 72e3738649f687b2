//! A body under a lock.

use std::{borrow::Cow, time::Duration};

use crate::{
    Error, ErrorKind, Key,
    cache::{Cache, Context},
    lock::{Lock, LockGuard, LockHandle, Under},
};

/// What a `#[locked]` says besides its keys; what it does not say is as [`Lock`] has it.
#[derive(Debug, Default)]
pub struct LockRules {
    /// How long the lock outlives its holder.
    pub lease: Option<Duration>,
    /// How long to wait; `None`: not at all.
    pub wait: Option<Duration>,
    /// In the order of arrival.
    pub fair: bool,
    /// How long it is renewed at most.
    pub max_hold: Option<Duration>,
    /// A label for logs.
    pub owner: Option<Cow<'static, str>>,
    /// What its fencing number is to be above.
    pub above: Option<u64>,
}

impl LockRules {
    fn apply(self, mut lock: Lock) -> Lock {
        let times = [(self.lease, Lock::lease as fn(_, _) -> _), (self.max_hold, Lock::max_hold)];
        for (time, set) in times {
            lock = match time {
                Some(time) => set(lock, time),
                None => lock,
            };
        }
        if let Some(owner) = self.owner {
            lock = lock.owner(owner);
        }
        if self.fair { lock.fair() } else { lock }.above(self.above.unwrap_or_default())
    }
}

/// Runs `body` under the lock of all these keys, and releases it when that has ended.
///
/// # Cancel safety
///
/// Dropped while it waits nothing is held. Dropped after that, `body` is dropped first, then the lock is released in
/// the background: once a COMMIT that is on its way has ended. So it is where `body` gave up waiting for that.
pub async fn locked<R, F, Fut>(
    name: &'static str,
    cache: Option<&Cache>,
    keys: Vec<Key>,
    rules: LockRules,
    fail: fn(Error) -> R,
    body: F,
) -> R
where
    F: FnOnce(LockHandle) -> Fut,
    Fut: Future<Output = R>,
{
    let guard = match take(name, cache, keys, rules).await {
        Ok(guard) => guard,
        Err(error) => return fail(error),
    };
    let (handle, under) = (guard.handle(), Under::new(guard));
    let body = under.clone().scope(body(handle.clone()));
    match handle.run(body).await {
        Ok(out) => {
            release(under).await;
            out
        }
        Err(lost) => fail(lost),
    }
}

/// Not generic: one copy for all functions.
async fn take(
    name: &'static str,
    cache: Option<&Cache>,
    keys: Vec<Key>,
    mut rules: LockRules,
) -> Result<LockGuard, Error> {
    let cache = resolve(name, cache)?;
    let wait = rules.wait.take();
    let lock = rules.apply(cache.lock_all(keys));
    match wait {
        Some(wait) => lock.wait(wait).acquire().await,
        None => lock.try_acquire().await,
    }
}

/// The work is done, whatever comes of this: what is not released now is so in the background. A COMMIT that the body did
/// not wait for to its end has the lock until then.
async fn release(under: Under) {
    if let Some(guard) = under.into_guard() {
        let _ = guard.release().await;
    }
}

fn resolve(name: &'static str, cache: Option<&Cache>) -> Result<Cache, Error> {
    let found = match cache {
        Some(cache) => Some(cache.clone()),
        None => Context::with(|context| Context::ambient(context).cloned()),
    };
    found.ok_or_else(|| {
        let message = format!(
            "`{name}` takes it from a cache, but none is in scope or installed; call `Cache::install`, or in tests \
             `#[cachekit::isolated]`"
        );
        Error::new(ErrorKind::Config, "acquire the lock", message)
    })
}

/// The label of `owner = ".."`.
pub fn owner(label: &'static str) -> Cow<'static, str> {
    label.into()
}

/// The label of `owner = expr`.
pub fn owner_of(label: &(impl AsRef<str> + ?Sized)) -> Cow<'static, str> {
    label.as_ref().to_owned().into()
}

// ===== how the function says that it has no lock =====

/// A return type that can be an error.
#[diagnostic::on_unimplemented(
    message = "`#[locked]` needs a function that can fail: its lock can be busy, lost or out of reach",
    label = "`{Self}` is no `Result`",
    note = "return `Result<_, E>` with an `E: From<cachekit::Error>`"
)]
pub trait CanBeRefused {
    /// Its error.
    type Error;
    /// The error as a result.
    fn refused(error: Self::Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E> CanBeRefused for Result<T, E> {
    type Error = E;

    fn refused(error: E) -> Self {
        Err(error)
    }
}

/// An error that an error of a lock can become.
#[diagnostic::on_unimplemented(
    message = "`#[locked]` needs an error that `cachekit::Error` can become, and `{Self}` is none",
    label = "what this returns cannot say that the lock is busy or lost",
    note = "implement `From<cachekit::Error>` for `{Self}`; with thiserror, add a variant such as `Lock(#[from] cachekit::Error)`"
)]
pub trait TakesLockError {
    /// The same as an error of this type.
    fn take(error: Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<Error>> TakesLockError for E {
    fn take(error: Error) -> Self {
        error.into()
    }
}

/// What a function returns that has no lock.
pub fn no_lock<R: CanBeRefused<Error: TakesLockError>>(error: Error) -> R {
    R::refused(R::Error::take(error))
}
