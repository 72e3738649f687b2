//! What locks tell of themselves. Some belong to no cache, and so to no reporter.

use std::time::Duration;

/// A lock was asked for, with this outcome after so long.
#[cfg_attr(not(feature = "metrics"), allow(unused_variables))]
pub(crate) fn lock_asked(template: &str, outcome: &'static str, waited: Duration) {
    #[cfg(feature = "metrics")]
    {
        let labels = [("template", template.to_owned()), ("outcome", outcome.to_owned())];
        metrics::counter!(super::names::LOCKS, &labels).increment(1);
        metrics::histogram!(super::names::LOCK_WAIT_SECONDS, &labels).record(waited);
    }
    tracing::trace!(template, outcome, "asked for a lock");
}

/// A lock that was asked for was not free; `among`: whose it was as far as is known, this process's or any's.
pub(crate) fn lock_contended(template: &str, among: &'static str) {
    #[cfg(feature = "metrics")]
    {
        let labels = [("template", template.to_owned()), ("among", among.to_owned())];
        metrics::counter!(super::names::LOCKS_CONTENDED, &labels).increment(1);
    }
    tracing::trace!(template, among, "a lock is not free");
}

/// A lock was let go of after so long.
#[cfg_attr(not(feature = "metrics"), allow(unused_variables))]
pub(crate) fn lock_held(template: &str, time: Duration) {
    #[cfg(feature = "metrics")]
    {
        let labels = [("template", template.to_owned())];
        metrics::histogram!(super::names::LOCK_HOLD_SECONDS, &labels).record(time);
    }
}

/// A renewal of a lock was sent.
#[cfg(any(feature = "redis", feature = "_sqlx"))]
pub(crate) fn lock_renewed(template: &str, outcome: &'static str) {
    #[cfg(feature = "metrics")]
    {
        let labels = [("template", template.to_owned()), ("outcome", outcome.to_owned())];
        metrics::counter!(super::names::LOCK_RENEWALS, &labels).increment(1);
    }
    tracing::trace!(template, outcome, "renewed a lock");
}

/// A lock was held no more before its holder let go of it.
pub(crate) fn lock_lost(template: &str, reason: &'static str) {
    #[cfg(feature = "metrics")]
    {
        let labels = [("template", template.to_owned()), ("reason", reason.to_owned())];
        metrics::counter!(super::names::LOCKS_LOST, &labels).increment(1);
    }
    tracing::warn!(template, reason, "a lock was lost; others may work on the same thing");
}
