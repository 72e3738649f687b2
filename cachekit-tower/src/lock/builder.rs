//! Building the layer.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use cachekit_core::{Cache, Key};
use http::{Method, Response, StatusCode, request};

use super::{LockLayer, layer::Shared, waiting::Waiting};
use crate::{
    BuildError, ContentionCode, Disconnect, IntoTime, KeyMissing, Rejection,
    builder::Mistakes,
    macros::request_options,
    reject::{CONTENTION, Rejecter},
    requests::Requests,
};

/// Until when a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hold {
    /// Until the head of the response is ready.
    Handler,
    /// Until the body of the response has ended, failed or was dropped.
    Body,
}

/// What is done where Redis cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnUnavailable {
    /// The request is refused.
    #[default]
    Reject,
    /// The handler runs without a lock, **at the same time as others**: for work that is merely wasted when it is done
    /// twice. It finds no [`LockHandle`](super::LockHandle). Only while the store cannot be reached, or does not answer.
    Proceed,
}

/// Collects what a [`LockLayer`] is to be like. Of several keys all are held together.
#[must_use = "call `build`"]
pub struct LockBuilder {
    cache: Cache,
    requests: Requests,
    lease: Duration,
    wait: Duration,
    max_hold: Duration,
    max_waiters: usize,
    hold: Option<Hold>,
    disconnect: Disconnect,
    on_unavailable: OnUnavailable,
    rejecter: Rejecter,
    mistakes: Mistakes,
}

impl LockBuilder {
    pub(super) fn new(cache: &Cache) -> Self {
        Self {
            cache: cache.clone(),
            requests: Requests::default(),
            lease: Duration::from_secs(10),
            wait: Duration::from_secs(1),
            max_hold: Duration::from_secs(30),
            max_waiters: 64,
            hold: None,
            disconnect: Disconnect::default(),
            on_unavailable: OnUnavailable::default(),
            rejecter: Rejecter::default(),
            mistakes: Mistakes::default(),
        }
    }

    /// How long the lock outlives a process that died; 10 s by default, 100 ms to a day.
    pub fn lease(mut self, lease: impl IntoTime) -> Self {
        self.lease = self.mistakes.time("lease", lease).unwrap_or(self.lease);
        self
    }

    /// How long a request waits for the lock, and no longer than its `grpc-timeout`; 1 s by default, `0s` for not at all.
    pub fn wait(mut self, wait: impl IntoTime) -> Self {
        self.wait = self.mistakes.time("wait", wait).unwrap_or(self.wait);
        self
    }

    /// How long it is held at most, from its acquisition; 30 s by default. After that it is lost.
    pub fn max_hold(mut self, limit: impl IntoTime) -> Self {
        self.max_hold = self.mistakes.time("max_hold", limit).unwrap_or(self.max_hold);
        self
    }

    /// How many requests of this process may wait for a key; 64 by default.
    pub fn max_waiters(mut self, most: usize) -> Self {
        self.max_waiters = most;
        self
    }

    /// Until when it is held: until the head of the response over HTTP, until the end of its body over gRPC, if this is
    /// not called.
    pub fn hold(mut self, hold: Hold) -> Self {
        self.hold = Some(hold);
        self
    }

    /// What becomes of a handler whose client has gone away: it is finished under the lock, by default.
    pub fn on_disconnect(mut self, disconnect: Disconnect) -> Self {
        self.disconnect = disconnect;
        self
    }

    /// What is done where Redis cannot be reached: the request is refused, by default.
    pub fn on_unavailable(mut self, then: OnUnavailable) -> Self {
        self.on_unavailable = then;
        self
    }

    /// The status of HTTP for contention: 429 by default, 409 or 423.
    pub fn contention(mut self, status: StatusCode) -> Self {
        if !CONTENTION.contains(&status) {
            self.mistakes.add(format!("`contention` is 429, 409 or 423, not {status}"));
        }
        self.rejecter.contention = status;
        self
    }

    /// The code of gRPC for contention.
    pub fn contention_code(mut self, code: ContentionCode) -> Self {
        self.rejecter.contention_code = code;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// All mistakes at once: no key; templates, paths, methods and times that are none; `OPTIONS` among the methods.
    pub fn build(mut self) -> Result<LockLayer, BuildError> {
        self.check();
        self.mistakes.finish("the lock layer")?;
        Ok(LockLayer::of(Arc::new(Shared {
            cache: self.cache,
            requests: self.requests,
            lease: self.lease,
            wait: self.wait,
            max_hold: self.max_hold,
            max_waiters: self.max_waiters,
            waiting: Arc::new(Waiting::default()),
            hold: self.hold,
            disconnect: self.disconnect,
            on_unavailable: self.on_unavailable,
            rejecter: self.rejecter,
        })))
    }

    fn check(&mut self) {
        self.requests.keys.check(&mut self.mistakes);
        if !self.requests.have_keys() {
            self.mistakes.add("no key: call `key`, `key_with` or `method`");
        }
        if self.requests.methods().contains(&Method::OPTIONS) {
            self.mistakes.add("`methods`: `OPTIONS` is never guarded");
        }
        let day = Duration::from_secs(24 * 3600);
        if !(Duration::from_millis(100)..=day).contains(&self.lease) {
            self.mistakes.add("`lease` must be 100 ms to a day");
        }
        if self.max_hold.is_zero() {
            self.mistakes.add("`max_hold` must be more than nothing");
        }
        if self.max_waiters == 0 {
            self.mistakes.add("`max_waiters` must be at least 1");
        }
    }
}

request_options!(
    LockBuilder,
    to "lock",
    those that "are guarded",
    "; never `OPTIONS`",
    "it is refused"
);

impl fmt::Debug for LockBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockBuilder").field("requests", &self.requests).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_told_at_once() {
        let error = LockLayer::builder(&Cache::disabled())
            .lease("1ms")
            .wait("x")
            .max_hold("0s")
            .max_waiters(0)
            .contention(StatusCode::OK)
            .methods([Method::OPTIONS])
            .build()
            .unwrap_err();
        assert_eq!(error.mistakes().count(), 7, "{error}");
    }
}
