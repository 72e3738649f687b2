//! What a filter says about itself.

use super::geometry::Geometry;

/// How full a filter is; from [`Bloom::stats`](super::Bloom::stats).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BloomStats {
    /// Whether it can say "absent" at all.
    pub live: bool,
    /// How many ids it has, deleted ones included; an estimate.
    pub ids: u64,
    /// How many it was made for.
    pub expected: u64,
    /// The share of ids that were never added and pass all the same, as full as it is now; an estimate.
    pub false_positives: f64,
    /// How many bytes its bits take.
    pub bytes: u64,
}

impl BloomStats {
    /// Of a filter that is live if somebody counted its bits.
    pub(super) fn of(geometry: &Geometry, ones: Option<u64>, expected: u64) -> Self {
        let ids = geometry.ids_of(ones.unwrap_or(0));
        let (false_positives, bytes) = (geometry.rate_with(ids), geometry.bits / 8);
        Self { live: ones.is_some(), ids, expected, false_positives, bytes }
    }
}
