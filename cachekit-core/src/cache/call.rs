//! Wrappers around a call: what the outermost cached read does, and what becomes known of it.

use std::sync::{Arc, OnceLock};

use super::{Context, Mode, Receipt, Receipts, Status};

/// Runs `call` with its outermost cached reads switched off: bodies run, no cache is touched.
///
/// Cached reads inside those bodies use the cache as ever.
///
/// # Cancel safety
///
/// As `call` without the cache.
pub async fn bypass<F: Future>(call: F) -> F::Output {
    Context { mode: Mode::Bypass, ..Context::current() }.scope(call).await
}

/// Runs `call` so that its outermost cached reads load anew and replace what the cache has.
///
/// A load that an invalidation overtakes is returned to the caller and not kept. Calls are not
/// coalesced: each one loads.
///
/// # Cancel safety
///
/// Dropped in mid-way the entry is the old one, the new one, or gone.
pub async fn refresh<F: Future>(call: F) -> F::Output {
    Context { mode: Mode::Refresh, ..Context::current() }.scope(call).await
}

/// Runs `call` and tells how its first outermost cached read got its answer.
///
/// [`Status::Bypassed`] if there was none.
///
/// # Cancel safety
///
/// As `call`.
pub async fn with_status<F: Future>(call: F) -> (F::Output, Status) {
    let cell = Arc::new(OnceLock::new());
    let context = Context { status: Some(cell.clone()), ..Context::current() };
    let out = context.scope(call).await;
    (out, cell.get().copied().unwrap_or(Status::Bypassed))
}

/// Runs `call` and tells what became of each invalidation in it.
///
/// # Cancel safety
///
/// As `call`; the receipt is lost, the invalidations are not.
pub async fn with_receipt<F: Future>(call: F) -> (F::Output, Receipt) {
    let receipts = Receipts::default();
    let context = Context { receipts: Some(receipts.clone()), ..Context::current() };
    let out = context.scope(call).await;
    (out, receipts.take())
}

/// Carries the current scope into a task of its own: `tokio::spawn(cachekit::inherit(future))`.
///
/// A plain `tokio::spawn` starts without a scope and so uses the installed cache.
///
/// # Cancel safety
///
/// As `future`.
pub fn inherit<F: Future>(future: F) -> impl Future<Output = F::Output> {
    // Taken now, not when the task is first polled: by then the scope is gone.
    let context = Context::current().inside();
    context.scope(future)
}
