//! What a Bloom filter tells of itself. It may belong to several caches, and so to none.

/// What came of a question: absent, perhaps, or nothing that can be said.
pub(crate) fn bloom_verdict(filter: &str, verdict: Option<bool>) {
    let verdict = match verdict {
        Some(true) => "maybe",
        Some(false) => "absent",
        None => "not_live",
    };
    #[cfg(feature = "metrics")]
    {
        let labels = [("filter", filter.to_owned()), ("verdict", verdict.to_owned())];
        metrics::counter!(super::names::BLOOM, &labels).increment(1);
    }
    tracing::trace!(filter, verdict, "asked a bloom filter");
}

/// How many ids a filter has, and what share of others passes.
#[cfg_attr(not(feature = "metrics"), allow(unused_variables))]
pub(crate) fn bloom_fill(filter: &str, ids: u64, false_positives: f64) {
    #[cfg(feature = "metrics")]
    {
        let labels = [("filter", filter.to_owned())];
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!(super::names::BLOOM_IDS, &labels).set(ids as f64);
        metrics::gauge!(super::names::BLOOM_FALSE_POSITIVES, &labels).set(false_positives);
    }
}
