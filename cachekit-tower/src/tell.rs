//! What the layers tell of themselves: counters, by outcome and never by key.

use crate::Disconnect;

/// A client has gone away while its handler ran.
pub(crate) fn disconnect(layer: &'static str, mode: Disconnect) {
    let mode = match mode {
        Disconnect::Finish => "finish",
        Disconnect::Cancel => "cancel",
    };
    #[cfg(feature = "metrics")]
    match layer {
        "lock" => metrics::counter!("cachekit_lock_disconnect_total", "mode" => mode).increment(1),
        _ => metrics::counter!("cachekit_invalidate_disconnect_total", "mode" => mode).increment(1),
    }
    tracing::debug!(layer, mode, "a client has gone away while its handler ran");
}

/// What became of a token, or of what came for one.
pub(crate) fn session(outcome: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("cachekit_session_tokens_total", "outcome" => outcome).increment(1);
    tracing::trace!(outcome, "session token");
}

/// How a request of the invalidate layer ended: `applied`, `pending`, `kept`, `key_missing`.
pub(crate) fn invalidated(outcome: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("cachekit_invalidate_requests_total", "outcome" => outcome).increment(1);
    tracing::trace!(outcome, "a request invalidated");
}

/// A lock could not be released; it ends with its lease.
pub(crate) fn release_failed(error: &cachekit_core::Error) {
    #[cfg(feature = "metrics")]
    metrics::counter!("cachekit_lock_release_failed_total").increment(1);
    tracing::warn!(%error, "a lock was not released after its handler");
}

/// An id passed the filter, and the handler did not find it.
pub(crate) fn false_positive(filter: &str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("cachekit_bloom_passed_absent_total", "filter" => filter.to_owned())
        .increment(1);
    tracing::trace!(filter, "an id passed a filter and was not found");
}
