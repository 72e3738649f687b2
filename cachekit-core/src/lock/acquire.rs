//! Taking a lock: first the turn in this process, then the lock itself; of several all or none.

use std::time::Duration;

use tracing::Instrument as _;

use super::{builder::Lock, errors, guard::LockGuard};
use crate::{
    error::{Error, ErrorKind},
    observe,
    sync::{Instant, now},
};

/// Locks that are held together at most.
const MOST_KEYS: usize = 64;

/// Until when an acquisition waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// `None`: not at all.
    until: Option<Instant>,
    pub(super) wait: Duration,
}

impl Patience {
    /// As long as anybody waits: longer than any process lives.
    const MOST: Duration = Duration::from_secs(60 * 60 * 24 * 365);

    pub(super) fn new(wait: Option<Duration>) -> Patience {
        let until = wait.map(|wait| now() + wait.min(Patience::MOST));
        Patience { until, wait: wait.unwrap_or_default() }
    }

    pub(super) fn waits(&self) -> bool {
        self.until.is_some()
    }

    /// How much is left.
    pub(super) fn left(&self) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now()))
    }
}

impl Lock {
    /// Takes all locks within `wait`; without one, only if they are free.
    pub(super) async fn get(self, wait: Option<Duration>) -> Result<LockGuard, Error> {
        self.terms.check()?;
        let Some(first) = self.keys.first() else {
            return Err(refuse("no key was given".to_owned()));
        };
        if self.keys.len() > MOST_KEYS {
            return Err(refuse(format!("{} keys; at most {MOST_KEYS}", self.keys.len())));
        }
        let (template, owner) = (first.template(), self.terms.owner.as_deref());
        let keys = self.keys.len();
        let span = tracing::debug_span!(
            "cachekit.lock",
            template,
            owner,
            keys,
            outcome = tracing::field::Empty
        );
        self.take_all(Patience::new(wait)).instrument(span).await
    }

    async fn take_all(&self, patience: Patience) -> Result<LockGuard, Error> {
        let mut asked = Asked { lock: self, began: now(), outcome: "cancelled" };
        let taken = self.take_each(patience).await;
        asked.outcome = taken.as_ref().map_or_else(|error| outcome(error.kind()), |_| "acquired");
        taken
    }

    async fn take_each(&self, patience: Patience) -> Result<LockGuard, Error> {
        let mut ties = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            // Where one cannot be had, those before it are dropped, and so released.
            ties.push(self.locks.take(key, &self.terms, patience).await?);
        }
        let guard = LockGuard::new(ties);
        // Of several the first may be over before the last could be had.
        guard.check()?;
        Ok(guard)
    }
}

/// Tells of an acquisition when it is over, in whatever way.
struct Asked<'a> {
    lock: &'a Lock,
    began: Instant,
    outcome: &'static str,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let template = self.lock.keys.first().map_or("", |key| key.template());
        let waited = now().saturating_duration_since(self.began);
        tracing::Span::current().record("outcome", self.outcome);
        observe::lock_asked(template, self.outcome, waited);
    }
}

/// One word for metrics and spans.
fn outcome(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Busy => "busy",
        ErrorKind::WaitExhausted => "wait_exhausted",
        ErrorKind::Overloaded => "overloaded",
        ErrorKind::LockLost => "lost",
        _ => "unavailable",
    }
}

fn refuse(message: String) -> Error {
    Error::new(ErrorKind::Config, errors::ACQUIRE, message)
}
