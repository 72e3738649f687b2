//! What becomes of work that outlives its caller.

/// Such work has ended, in this way.
pub(crate) fn task_ended(outcome: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(super::names::TASKS, "outcome" => outcome).increment(1);
    tracing::trace!(outcome, "tracked work ended");
}
