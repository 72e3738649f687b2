//! Metrics of the layers, under the names of one table. Labels never hold keys or paths.

use crate::Disconnect;

/// Counter: requests in flights, by `layer` and `outcome`: `led` (its own run), `joined`, `alone` (passed by or
/// released), `refused` (an invalidation came between), `takeover` (of a run whose driver did not come).
pub const FLIGHTS: &str = "cachekit_flight_total";
/// Histogram: how many requests a run served, by `layer`.
pub const FLIGHT_MEMBERS: &str = "cachekit_flight_members";
/// Counter: clients that went away while a guarded handler ran, by `mode` (`finish`, `cancel`).
pub const LOCK_DISCONNECTS: &str = "cachekit_lock_disconnect_total";
/// Counter: locks that were not released after their handler and run out by themselves.
pub const LOCK_RELEASES_FAILED: &str = "cachekit_lock_release_failed_total";
/// Counter: clients that went away while a handler ran that may write, by `mode` (`finish`, `cancel`).
pub const INVALIDATE_DISCONNECTS: &str = "cachekit_invalidate_disconnect_total";
/// Counter: requests that may have written, by `outcome`: `applied` and `pending` as their invalidations, `kept` (nothing
/// was written), `key_missing` (besides one of those, unless it was refused).
pub const INVALIDATE_REQUESTS: &str = "cachekit_invalidate_requests_total";
/// Counter: session tokens, by `outcome`: `issued`, `read`, and why they were of no use (`malformed`, `forged`,
/// `expired`).
pub const SESSION_TOKENS: &str = "cachekit_session_tokens_total";
/// Counter: ids that passed a live filter and were not found by the handler, by `filter`.
pub const BLOOM_FOUND_ABSENT: &str = "cachekit_bloom_found_absent_total";
/// Counter: requests that took no part, by `layer` and `reason`.
pub const PASSED_BY: &str = "cachekit_layer_passed_by_total";

#[cfg_attr(not(feature = "metrics"), allow(unused_variables))]
pub(crate) fn flight(layer: &'static str, outcome: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(FLIGHTS, "layer" => layer, "outcome" => outcome).increment(1);
}

#[cfg_attr(not(feature = "metrics"), allow(unused_variables))]
pub(crate) fn members(layer: &'static str, members: usize) {
    #[cfg(feature = "metrics")]
    {
        #[expect(clippy::cast_precision_loss, reason = "a histogram takes floats")]
        metrics::histogram!(FLIGHT_MEMBERS, "layer" => layer).record(members as f64);
    }
}

pub(crate) fn passed_by(layer: &'static str, reason: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(PASSED_BY, "layer" => layer, "reason" => reason).increment(1);
    tracing::trace!(layer, reason, "a request was passed by");
}

/// A client has gone away while its handler ran.
pub(crate) fn disconnect(layer: &'static str, mode: Disconnect) {
    let mode = match mode {
        Disconnect::Finish => "finish",
        Disconnect::Cancel => "cancel",
    };
    #[cfg(feature = "metrics")]
    match layer {
        "lock" => metrics::counter!(LOCK_DISCONNECTS, "mode" => mode).increment(1),
        _ => metrics::counter!(INVALIDATE_DISCONNECTS, "mode" => mode).increment(1),
    }
    tracing::debug!(layer, mode, "a client has gone away while its handler ran");
}

/// What became of a token, or of what came for one.
pub(crate) fn session(outcome: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(SESSION_TOKENS, "outcome" => outcome).increment(1);
    tracing::trace!(outcome, "session token");
}

/// How a request of the invalidate layer ended: `applied`, `pending`, `kept`, `key_missing`.
pub(crate) fn invalidated(outcome: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(INVALIDATE_REQUESTS, "outcome" => outcome).increment(1);
    tracing::trace!(outcome, "a request invalidated");
}

/// A lock could not be released; it ends with its lease.
pub(crate) fn release_failed(error: &cachekit_core::Error) {
    #[cfg(feature = "metrics")]
    metrics::counter!(LOCK_RELEASES_FAILED).increment(1);
    tracing::warn!(%error, "a lock was not released after its handler");
}

/// An id passed the filter, and the handler did not find it.
pub(crate) fn false_positive(filter: &str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(BLOOM_FOUND_ABSENT, "filter" => filter.to_owned()).increment(1);
    tracing::trace!(filter, "an id passed a filter and was not found");
}
