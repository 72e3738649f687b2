//! What is counted.

use super::{cache_status::CacheStatus, settings::Settings, snapshot::Snapshot};

const SPAN: &str = "cachekit.http";

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Hit,
    Stale,
    Miss,
    Joined,
    Bypass,
    Uncacheable,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Joined => "joined",
            Self::Bypass => "bypass",
            Self::Uncacheable => "uncacheable",
        }
    }
}

/// Counts a request, and tells its span.
pub(crate) fn request(layer: &str, outcome: Outcome, reason: &'static str) {
    let span = tracing::Span::current();
    // Where that is not enabled, the current one is the user's.
    if span.metadata().is_some_and(|own| own.name() == SPAN && own.target() == module_path!()) {
        span.record("outcome", outcome.as_str());
        span.record("reason", reason);
    }
    count(layer, outcome, reason);
}

/// Counts a request that has no span, for it is passed by.
pub(crate) fn passed(layer: &str, reason: &'static str) {
    count(layer, Outcome::Bypass, reason);
}

#[cfg_attr(not(feature = "metrics"), allow(unused_variables))]
fn count(layer: &str, outcome: Outcome, reason: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(
        "cachekit_http_requests_total",
        "layer" => layer.to_owned(),
        "outcome" => outcome.as_str(),
        "reason" => reason,
    )
    .increment(1);
}

/// Counts a request that was answered with a snapshot, and what was stored for it.
pub(crate) fn answered(settings: &Settings, status: CacheStatus, snapshot: &Snapshot) {
    let (outcome, reason) = match status {
        CacheStatus::Hit { stale: true, .. } => (Outcome::Stale, ""),
        CacheStatus::Hit { .. } => (Outcome::Hit, ""),
        CacheStatus::Forwarded { collapsed: true, .. } => (Outcome::Joined, ""),
        CacheStatus::Forwarded { detail: Some(reason), .. } => (Outcome::Uncacheable, reason),
        CacheStatus::Forwarded { .. } => (Outcome::Miss, ""),
    };
    request(&settings.name, outcome, reason);
    #[cfg(feature = "metrics")]
    {
        let layer = settings.name.clone();
        metrics::histogram!("cachekit_http_body_bytes", "layer" => layer.clone())
            .record(snapshot.body.len() as f64);
        if matches!(status, CacheStatus::Forwarded { stored: true, collapsed: false, .. }) {
            let class = format!("{}xx", snapshot.status.as_u16() / 100);
            metrics::counter!("cachekit_http_stored_total", "layer" => layer, "class" => class)
                .increment(1);
        }
    }
    let _ = snapshot;
}

/// The span of a request that is looked up: templates and words, no path and no key.
pub(crate) fn span(shared: &super::settings::Shared) -> tracing::Span {
    tracing::debug_span!(
        SPAN,
        layer = %shared.settings.name,
        template = %shared.settings.template,
        outcome = tracing::field::Empty,
        reason = tracing::field::Empty,
    )
}
