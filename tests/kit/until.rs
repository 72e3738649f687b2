//! Waiting for events instead of for time.

use std::time::{Duration, Instant};

/// How long a test waits for what must happen before it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `holds`.
///
/// # Panics
/// With `what`, when that does not happen.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "{caller}: it never came to this: {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Asks again and again until the answer is yes.
///
/// # Panics
/// With `what`, when that does not happen.
#[track_caller]
pub fn until_async(what: &str, mut holds: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let begun = Instant::now();
        while !holds().await {
            assert!(begun.elapsed() < PATIENCE, "{caller}: it never came to this: {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// The output of `future`, which must come long before a lease runs out or patience ends.
///
/// # Panics
/// When it takes more than two seconds.
#[track_caller]
pub fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        let output = tokio::time::timeout(Duration::from_secs(2), future).await;
        output.unwrap_or_else(|_| panic!("{caller}: it should have been quick"))
    }
}
