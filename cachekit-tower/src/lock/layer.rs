//! The layer.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use cachekit_core::{Cache, Error, ErrorKind, Key, LockGuard};
use http::{HeaderMap, Response, request::Parts};
use tower_layer::Layer;

use super::{Hold, LockBuilder, LockService, OnUnavailable, waiting::Waiting};
use crate::{
    Body, Disconnect, Kind, Rejection,
    deadline::timeout,
    reject::{Rejecter, retry_after},
    requests::Requests,
};

/// Runs one handler at a time for a key; see the [module docs](super).
#[derive(Clone, Debug)]
pub struct LockLayer {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) cache: Cache,
    pub(super) requests: Requests,
    pub(super) lease: Duration,
    pub(super) wait: Duration,
    pub(super) max_hold: Duration,
    pub(super) max_waiters: usize,
    pub(super) waiting: Arc<Waiting>,
    pub(super) hold: Option<Hold>,
    pub(super) disconnect: Disconnect,
    pub(super) on_unavailable: OnUnavailable,
    pub(super) rejecter: Rejecter,
}

impl LockLayer {
    /// Starts building a layer whose locks are this cache's.
    pub fn builder(cache: &Cache) -> LockBuilder {
        LockBuilder::new(cache)
    }

    pub(super) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl<S> Layer<S> for LockLayer {
    type Service = LockService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LockService::new(inner, self.shared.clone())
    }
}

impl Shared {
    /// Waits for the lock; `None` if it cannot be had and the handler is to run all the same.
    ///
    /// # Cancel safety
    ///
    /// As that of [`Lock::acquire`](cachekit_core::Lock::acquire).
    pub(super) async fn acquire(
        &self,
        parts: &Parts,
        keys: Vec<Key>,
        arrived: Instant,
    ) -> Result<Option<LockGuard>, Rejection> {
        let template = keys.first().map(|key| key.template().to_owned()).unwrap_or_default();
        let Some(place) = self.waiting.take(&keys, self.max_waiters) else {
            return Err(Rejection::TooManyWaiters { retry_after: self.retry_after(&template) });
        };
        let lock = self.cache.lock_all(keys).lease(self.lease).max_hold(self.max_hold);
        let lock = match owner(&parts.headers) {
            Some(owner) => lock.owner(owner),
            None => lock,
        };
        let left = timeout(&parts.headers).map(|limit| limit.saturating_sub(arrived.elapsed()));
        let wait = left.unwrap_or(self.wait).min(self.wait);
        let acquired = match wait.is_zero() {
            true => lock.try_acquire().await,
            false => lock.wait(wait).acquire().await,
        };
        drop(place);
        match acquired {
            Ok(guard) => Ok(Some(guard)),
            Err(error) => self.refused(&error, &template).map(|()| None),
        }
    }

    fn refused(&self, error: &Error, template: &str) -> Result<(), Rejection> {
        let retry_after = || self.retry_after(template);
        match error.kind() {
            ErrorKind::Busy => Err(Rejection::Busy { retry_after: retry_after() }),
            ErrorKind::WaitExhausted => {
                Err(Rejection::WaitExhausted { retry_after: retry_after() })
            }
            ErrorKind::Overloaded => Err(Rejection::TooManyWaiters { retry_after: retry_after() }),
            ErrorKind::Unavailable | ErrorKind::Timeout
                if self.on_unavailable == OnUnavailable::Proceed =>
            {
                tracing::warn!(%error, "a handler runs without its lock");
                Ok(())
            }
            _ => {
                tracing::warn!(%error, "a request was refused for want of its lock");
                Err(Rejection::StoreUnavailable)
            }
        }
    }

    fn retry_after(&self, template: &str) -> Duration {
        retry_after(self.cache.mean_lock_hold(template).unwrap_or_default())
    }

    pub(super) fn hold(&self, kind: Kind) -> Hold {
        self.hold.unwrap_or(match kind {
            Kind::Http => Hold::Handler,
            Kind::Grpc => Hold::Body,
        })
    }

    pub(super) fn reject<R>(
        &self,
        rejection: &Rejection,
        kind: Kind,
        parts: &Parts,
    ) -> Response<Body<R>> {
        tracing::debug!(?rejection, "a request was refused");
        self.rejecter.response_of(kind, rejection, parts)
    }
}

/// The request's id, if it has one that may be shown.
fn owner(headers: &HeaderMap) -> Option<String> {
    const MOST: usize = 128;
    let id = headers.get("x-request-id")?.to_str().ok()?;
    let fine = id.len() <= MOST && !id.contains(char::is_control);
    fine.then(|| id.to_owned())
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockLayer")
            .field("requests", &self.requests)
            .field("lease", &self.lease)
            .field("wait", &self.wait)
            .field("max_hold", &self.max_hold)
            .finish_non_exhaustive()
    }
}
