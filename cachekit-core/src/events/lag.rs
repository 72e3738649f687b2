//! How far a group is behind, and who hears of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::observe::Hook;
use crate::redis::StoreError;

/// What a group has left to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lag {
    /// Messages that were delivered to some consumer and are not settled.
    pub pending: u64,
    /// Messages that were delivered to nobody yet; `None` where the server cannot tell, for instance after entries were
    /// deleted one by one.
    pub waiting: Option<u64>,
    /// How long the oldest of both has waited; `None` if there are none.
    pub oldest: Option<Duration>,
    /// Messages that were given up.
    pub dead: u64,
}

/// Counts what happens to messages and says when they are late.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) topic: String,
    pub(super) group: String,
    pub(super) alert_after: Duration,
    on_lag: Hook<Lag>,
    late: AtomicBool,
    refused: AtomicBool,
}

impl Watch {
    pub(super) fn new(topic: &str, group: &str, alert_after: Duration, on_lag: Hook<Lag>) -> Watch {
        let (topic, group) = (topic.to_owned(), group.to_owned());
        let (late, refused) = (AtomicBool::new(false), AtomicBool::new(false));
        Watch { topic, group, alert_after, on_lag, late, refused }
    }

    pub(super) fn settled(&self) {
        self.count("handled", 1);
    }

    /// The text of a user's error is for the dead letter: it may hold personal data.
    pub(super) fn failed(&self, _reason: &str) {
        self.count("failed", 1);
        tracing::debug!(topic = self.topic, group = self.group, "a message was not handled");
    }

    pub(super) fn buried(&self, entry: &str) {
        self.count("dead", 1);
        tracing::error!(
            topic = self.topic,
            group = self.group,
            entry,
            "a message was given up; it lies in the group's dead letters"
        );
    }

    pub(super) fn took_over(&self, count: usize) {
        if count > 0 {
            self.count("taken_over", count);
            tracing::info!(topic = self.topic, group = self.group, count, "took over messages");
        }
    }

    /// Redis was asked for messages. A refusal, by an ACL say, is told once; that it is away, its link tells.
    pub(super) fn read(&self, error: Option<StoreError>) {
        let refused = matches!(error, Some(StoreError::Refused(_)));
        if refused && !self.refused.swap(true, Ordering::Relaxed) {
            let (topic, group) = (&self.topic, &self.group);
            tracing::warn!(
                topic,
                group,
                ?error,
                "redis refuses to read messages; it is tried again"
            );
        }
        self.refused.store(refused, Ordering::Relaxed);
    }

    /// The lag was measured: for the metrics, and for an alert when it grows too long.
    pub(super) fn measured(&self, lag: &Lag) {
        self.tell(lag);
        self.alert(lag);
    }

    /// Once each time the lag grows too long.
    fn alert(&self, lag: &Lag) {
        let oldest = lag.oldest.unwrap_or_default();
        let late = oldest > self.alert_after;
        if late && !self.late.swap(late, Ordering::Relaxed) {
            let (topic, group) = (&self.topic, &self.group);
            tracing::warn!(topic, group, ?oldest, "messages wait for longer than `alert_after`");
            self.on_lag.call(lag);
        }
        self.late.store(late, Ordering::Relaxed);
    }

    #[cfg(feature = "metrics")]
    fn tell(&self, lag: &Lag) {
        use crate::observe::names::{MESSAGES_LAG_SECONDS, MESSAGES_PENDING, MESSAGES_WAITING};
        let labels = [("topic", self.topic.clone()), ("group", self.group.clone())];
        #[allow(clippy::cast_precision_loss)]
        let set = |name: &'static str, value: u64| metrics::gauge!(name, &labels).set(value as f64);
        set(MESSAGES_PENDING, lag.pending);
        lag.waiting.into_iter().for_each(|waiting| set(MESSAGES_WAITING, waiting));
        let oldest = lag.oldest.unwrap_or_default();
        metrics::gauge!(MESSAGES_LAG_SECONDS, &labels).set(oldest.as_secs_f64());
    }

    #[cfg(not(feature = "metrics"))]
    fn tell(&self, _: &Lag) {}

    #[cfg_attr(not(feature = "metrics"), allow(unused_variables, clippy::unused_self))]
    fn count(&self, outcome: &'static str, count: usize) {
        #[cfg(feature = "metrics")]
        {
            let labels = [
                ("topic", self.topic.clone()),
                ("group", self.group.clone()),
                ("outcome", outcome.to_owned()),
            ];
            metrics::counter!(crate::observe::names::MESSAGES, &labels).increment(count as u64);
        }
    }
}
