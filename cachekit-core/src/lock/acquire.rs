//! Taking a lock: first the turn in this process, then the lock itself; of several all or none.

use std::time::Duration;

use tracing::{Instrument as _, Span};

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
        let asking = Asking::new(template, span.clone());
        asking.done(self.take_each(Patience::new(wait)).instrument(span).await)
    }

    async fn take_each(&self, patience: Patience) -> Result<LockGuard, Error> {
        let mut ties = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            // Where one cannot be had, those before it are dropped, and so released.
            let tie = self.locks.take(key, &self.terms, patience).await?;
            #[cfg(feature = "_sqlx")]
            tie.hold().show_as(&self.namespace, key);
            ties.push(tie);
        }
        let guard = LockGuard::new(ties);
        // Of several the first may be over before the last could be had.
        guard.check()?;
        Ok(guard)
    }
}

/// Tells of an acquisition when it is over, in whatever way.
pub(super) struct Asking<'a> {
    template: &'a str,
    span: Span,
    began: Instant,
    outcome: &'static str,
}

impl<'a> Asking<'a> {
    /// The span has a field `outcome`.
    pub(super) fn new(template: &'a str, span: Span) -> Asking<'a> {
        Asking { template, span, began: now(), outcome: "cancelled" }
    }

    /// It has come to this.
    pub(super) fn done<T>(mut self, taken: Result<T, Error>) -> Result<T, Error> {
        self.outcome = taken.as_ref().map_or_else(|error| outcome(error.kind()), |_| "acquired");
        taken
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let waited = now().saturating_duration_since(self.began);
        self.span.record("outcome", self.outcome);
        observe::lock_asked(self.template, self.outcome, waited);
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
