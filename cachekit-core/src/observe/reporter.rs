//! Where the engine reports to.

use crate::cache::{Outcome, Status};

/// Counts and events of one cache.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    #[cfg(feature = "metrics")]
    local_hits: super::stripes::Striped,
    #[cfg(feature = "metrics")]
    local_hits_told: std::sync::atomic::AtomicU64,
}

impl Reporter {
    /// A hit in this process: a striped counter and nothing else.
    #[inline]
    pub(crate) fn local_hit(&self) {
        #[cfg(feature = "metrics")]
        self.local_hits.add_one();
    }

    pub(crate) fn read(&self, template: &str, tier: &'static str, status: Status) {
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
        #[cfg(feature = "metrics")]
        {
            let labels = [("template", template.to_owned()), ("reason", reason.to_owned())];
            metrics::counter!(super::names::BYPASSES, &labels).increment(1);
        }
        tracing::trace!(template, reason, "read past the cache");
    }

    pub(crate) fn fill_refused(&self, template: &str) {
        #[cfg(feature = "metrics")]
        metrics::counter!(super::names::FILLS_REFUSED, "template" => template.to_owned())
            .increment(1);
        tracing::trace!(template, "an invalidation overtook this load; its value is not kept");
    }

    #[cfg(any(feature = "redis", shuttle))]
    pub(crate) fn fill_failed(&self, template: &str, reason: &'static str) {
        #[cfg(feature = "metrics")]
        {
            let labels = [("template", template.to_owned()), ("reason", reason.to_owned())];
            metrics::counter!(super::names::FILLS_FAILED, &labels).increment(1);
        }
        tracing::debug!(template, reason, "a loaded value could not be stored");
    }

    pub(crate) fn invalidation(&self, template: &str, outcome: Outcome) {
        let outcome = outcome.as_str();
        #[cfg(feature = "metrics")]
        {
            let labels = [("template", template.to_owned()), ("outcome", outcome.to_owned())];
            metrics::counter!(super::names::INVALIDATIONS, &labels).increment(1);
        }
        tracing::trace!(template, outcome, "invalidated");
    }

    pub(crate) fn dead_letter(&self, template: &str, tries: u32) {
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
