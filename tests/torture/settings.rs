//! What the environment says of a run, and waiting for what is to happen.

use std::{
    env,
    fmt::Display,
    time::{Duration, Instant},
};

/// The number in this variable.
///
/// # Panics
/// When it is none.
pub fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Says what a run did, or what it takes to repeat it: shown if the test fails, or if asked for.
#[expect(clippy::print_stdout, reason = "the harness keeps it until somebody wants it")]
pub fn tell(line: impl Display) {
    println!("{line}");
}

/// The seed that was asked for, or a new one.
pub fn seed() -> u64 {
    number("CACHEKIT_TORTURE_SEED").unwrap_or_else(|| fastrand::u64(..))
}

/// Asks again and again, and says whether the answer was yes within `limit`.
pub async fn comes(limit: Duration, mut holds: impl AsyncFnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !holds().await {
        if begun.elapsed() > limit {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    true
}
