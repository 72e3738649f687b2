//! Where the engine reports to.

use crate::cache::{Outcome, Renewed, Status};

/// Counts and events of one cache.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    #[cfg(feature = "metrics")]
    local_hits: super::stripes::Striped,
    #[cfg(feature = "metrics")]
    local_hits_told: std::sync::atomic::AtomicU64,
    #[cfg(feature = "testing")]
    pub(crate) recorder: Option<super::Recorder>,
}

impl Reporter {
    /// A hit in this process: a striped counter and nothing else.
    #[inline]
    pub(crate) fn local_hit(&self) {
        #[cfg(feature = "metrics")]
        self.local_hits.add_one();
    }

    /// The same for a test that wants to know of which keys.
    #[cfg(feature = "testing")]
    pub(crate) fn local_hit_of(&self, template: &str) {
        self.note(template, super::Recorded::Read(Status::Hit));
    }

    #[cfg(feature = "testing")]
    fn note(&self, template: &str, what: super::Recorded) {
        if let Some(recorder) = &self.recorder {
            recorder.note(template, what);
        }
    }

    pub(crate) fn read(&self, template: &str, tier: &'static str, status: Status) {
        #[cfg(feature = "testing")]
        self.note(template, super::Recorded::Read(status));
        #[cfg(feature = "metrics")]
        {
            let labels = [
                ("template", template.to_owned()),
                ("tier", tier.to_owned()),
                ("outcome", status.as_str().to_owned()),
            ];
            metrics::counter!(super::names::READS, &labels).increment(1);
            self.tell_local_hits();
        }
        tracing::trace!(template, tier, outcome = status.as_str(), "read");
    }

    /// How long a read took that was no hit in this process.
    #[cfg(feature = "metrics")]
    pub(crate) fn read_took(&self, template: &str, status: Status, took: std::time::Duration) {
        let labels = [("template", template.to_owned()), ("outcome", status.as_str().to_owned())];
        metrics::histogram!(super::names::READ_SECONDS, &labels).record(took);
    }

    /// An invalidation reached the store, so long after it was asked for.
    #[cfg_attr(not(feature = "metrics"), allow(unused_variables, clippy::unused_self))]
    pub(crate) fn applied(&self, template: &str, after: std::time::Duration) {
        #[cfg(feature = "metrics")]
        metrics::histogram!(super::names::INVALIDATION_SECONDS, "template" => template.to_owned())
            .record(after);
    }

    pub(crate) fn bypass(&self, template: &str, reason: &'static str) {
        #[cfg(feature = "testing")]
        self.note(template, super::Recorded::Bypass(reason));
        #[cfg(feature = "metrics")]
        {
            let labels = [("template", template.to_owned()), ("reason", reason.to_owned())];
            metrics::counter!(super::names::BYPASSES, &labels).increment(1);
        }
        tracing::trace!(template, reason, "read past the cache");
    }

    /// An old value was answered in the place of a load.
    pub(crate) fn stale(&self, template: &str, reason: &'static str) {
        #[cfg(feature = "metrics")]
        {
            let labels = [("template", template.to_owned()), ("reason", reason.to_owned())];
            metrics::counter!(super::names::STALE, &labels).increment(1);
        }
        tracing::debug!(template, reason, "answered with an old value");
    }

    /// A read was given an error of the cache's own.
    pub(crate) fn refused(&self, template: &str, reason: &'static str) {
        #[cfg(feature = "metrics")]
        {
            let labels = [("template", template.to_owned()), ("reason", reason.to_owned())];
            metrics::counter!(super::names::REFUSED, &labels).increment(1);
        }
        tracing::debug!(template, reason, "a read was refused");
    }

    /// Whether the store can be used from now on.
    #[cfg_attr(not(feature = "metrics"), allow(unused_variables, clippy::unused_self))]
    pub(crate) fn store_is_up(&self, is_up: bool) {
        #[cfg(feature = "metrics")]
        metrics::gauge!(super::names::STORE_UP).set(if is_up { 1.0 } else { 0.0 });
    }

    pub(crate) fn fill_refused(&self, template: &str) {
        #[cfg(feature = "testing")]
        self.note(template, super::Recorded::FillRefused);
        #[cfg(feature = "metrics")]
        metrics::counter!(super::names::FILLS_REFUSED, "template" => template.to_owned())
            .increment(1);
        tracing::trace!(template, "an invalidation overtook this load; its value is not kept");
    }

    #[cfg(any(feature = "redis", shuttle))]
    pub(crate) fn fill_failed(&self, template: &str, reason: &'static str) {
        #[cfg(feature = "testing")]
        self.note(template, super::Recorded::FillFailed(reason));
        #[cfg(feature = "metrics")]
        {
            let labels = [("template", template.to_owned()), ("reason", reason.to_owned())];
            metrics::counter!(super::names::FILLS_FAILED, &labels).increment(1);
        }
        tracing::debug!(template, reason, "a loaded value could not be stored");
    }

    /// A load in the background ended.
    pub(crate) fn refreshed(&self, template: &str, renewed: Renewed) {
        self.refresh(template, renewed.as_str());
        match renewed {
            Renewed::Panicked => tracing::error!(template, "a load in the background panicked"),
            Renewed::Failed | Renewed::TimedOut => {
                let outcome = renewed.as_str();
                tracing::warn!(template, outcome, "a load in the background came to nothing");
            }
            Renewed::Refused => self.fill_refused(template),
            Renewed::Filled | Renewed::Elsewhere | Renewed::Crowded => {}
        }
    }

    /// As many loads run in the background as may.
    pub(crate) fn no_room_to_refresh(&self, template: &str) {
        self.refresh(template, "no_room");
    }

    #[allow(clippy::unused_self)]
    fn refresh(&self, template: &str, outcome: &'static str) {
        #[cfg(feature = "metrics")]
        {
            let labels = [("template", template.to_owned()), ("outcome", outcome.to_owned())];
            metrics::counter!(super::names::REFRESHES, &labels).increment(1);
        }
        tracing::trace!(template, outcome, "refreshed in the background");
    }

    pub(crate) fn invalidation(&self, template: &str, outcome: Outcome) {
        #[cfg(feature = "testing")]
        self.note(template, super::Recorded::Invalidated(outcome));
        let outcome = outcome.as_str();
        #[cfg(feature = "metrics")]
        {
            let labels = [("template", template.to_owned()), ("outcome", outcome.to_owned())];
            metrics::counter!(super::names::INVALIDATIONS, &labels).increment(1);
        }
        tracing::trace!(template, outcome, "invalidated");
    }

    pub(crate) fn dead_letter(&self, template: &str, tries: u32) {
        #[cfg(feature = "testing")]
        self.note(template, super::Recorded::DeadLetter);
        #[cfg(feature = "metrics")]
        metrics::counter!(super::names::DEAD_LETTERS, "template" => template.to_owned())
            .increment(1);
        tracing::error!(
            template,
            tries,
            "an invalidation does not get through; the key is read past the cache here, other \
             processes may serve its old entry until the store is back"
        );
    }

    /// A relay dealt with a row that was written so long ago.
    #[cfg(feature = "_sqlx")]
    #[cfg_attr(not(feature = "metrics"), allow(unused_variables, clippy::unused_self))]
    pub(crate) fn relayed(&self, after: std::time::Duration) {
        #[cfg(feature = "metrics")]
        metrics::histogram!(super::names::INVALIDATION_SECONDS, "template" => "(outbox)")
            .record(after);
    }

    /// So many rows wait, the oldest for so long.
    #[cfg(feature = "_sqlx")]
    #[cfg_attr(not(feature = "metrics"), allow(unused_variables, clippy::unused_self))]
    pub(crate) fn backlog(&self, namespace: &str, pending: u64, lag: std::time::Duration) {
        #[cfg(feature = "metrics")]
        {
            use super::names::{OUTBOX_LAG_SECONDS, OUTBOX_PENDING};
            let labels = [("namespace", namespace.to_owned())];
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            metrics::gauge!(OUTBOX_PENDING, &labels).set(pending as f64);
            metrics::gauge!(OUTBOX_LAG_SECONDS, &labels).set(lag.as_secs_f64());
        }
    }

    #[cfg(feature = "_sqlx")]
    pub(crate) fn dead_row(
        &self,
        namespace: &str,
        row: &dyn std::fmt::Display,
        attempts: u32,
        error: &str,
    ) {
        #[cfg(feature = "metrics")]
        metrics::counter!(super::names::OUTBOX_DEAD, "namespace" => namespace.to_owned())
            .increment(1);
        tracing::error!(
            namespace,
            %row,
            attempts,
            error,
            "a row of the outbox was given up; mend what is wrong and call `outbox::redrive`"
        );
    }

    /// Every invalidation of so long ago is applied to this process's copies; `None`: nothing is known yet.
    #[cfg(feature = "redis")]
    #[cfg_attr(not(feature = "metrics"), allow(unused_variables, clippy::unused_self))]
    pub(crate) fn horizon(&self, namespace: &str, age_ms: Option<u64>) {
        #[cfg(feature = "metrics")]
        {
            // A process whose reads are all hits tells of them here.
            self.tell_local_hits();
            let labels = [("namespace", namespace.to_owned())];
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            let seconds = age_ms.map_or(f64::INFINITY, |age| age as f64 / 1000.0);
            metrics::gauge!(super::names::L1_HORIZON_SECONDS, &labels).set(seconds);
        }
    }

    /// Passes on the hits counted since the last time: a recorder costs more than a hit.
    #[cfg(feature = "metrics")]
    fn tell_local_hits(&self) {
        use std::sync::atomic::Ordering;
        let sum = self.local_hits.sum();
        let told = self.local_hits_told.fetch_max(sum, Ordering::Relaxed);
        if sum > told {
            let labels = [("tier", "local"), ("outcome", "hit")];
            metrics::counter!(super::names::READS, &labels).increment(sum - told);
        }
    }
}
