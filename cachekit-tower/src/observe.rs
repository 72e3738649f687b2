//! Metrics of the layers, under the names of one table. Labels never hold keys or paths.

/// Counter: requests in flights, by `layer` and `outcome`: `led` (its own run), `joined`, `alone` (passed by or
/// released), `refused` (an invalidation came between), `takeover` (of a run whose driver did not come).
pub const FLIGHTS: &str = "cachekit_flight_total";
/// Histogram: how many requests a run served, by `layer`.
pub const FLIGHT_MEMBERS: &str = "cachekit_flight_members";
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
