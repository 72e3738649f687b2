//! For those who must know: whether an answer is out of date, in its type.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::Context;

/// What a call answered, and whether something in it is out of date; see [`with_freshness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "it says whether the answer is out of date"]
pub enum Freshness<T> {
    /// Nothing in it is known to be out of date.
    Fresh(T),
    /// It, or something it was made of, is past its TTL and was answered in the place of what could
    /// not be had, or not in time.
    Stale(T),
}

impl<T> Freshness<T> {
    /// Whether it is out of date.
    pub const fn is_stale(&self) -> bool {
        matches!(self, Self::Stale(_))
    }

    /// The answer, unless it is out of date.
    pub fn fresh(self) -> Option<T> {
        match self {
            Self::Fresh(answer) => Some(answer),
            Self::Stale(_) => None,
        }
    }

    /// The answer, whichever it is.
    pub fn into_inner(self) -> T {
        match self {
            Self::Fresh(answer) | Self::Stale(answer) => answer,
        }
    }
}

/// Runs `call` and says in the answer's type whether any cached read in it was answered with something out of date.
///
/// ```
/// use cachekit::{Freshness, cached, with_freshness};
///
/// #[cached(key = "rate:<currency>", ttl = "1m", stale_if_error = "1h")]
/// async fn rate(currency: &str) -> Result<u64, std::io::Error> {
///     # let _ = currency;
///     Ok(107)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// match with_freshness(rate("EUR")).await {
///     Freshness::Fresh(rate) => assert_eq!(rate.unwrap(), 107),
///     Freshness::Stale(_) => println!("no deal at an old rate"),
/// }
/// # }
/// ```
///
/// # Cancel safety
///
/// As `call`.
pub async fn with_freshness<F: Future>(call: F) -> Freshness<F::Output> {
    let stale = Arc::new(AtomicBool::new(false));
    let context = Context { stale: Some(stale.clone()), ..Context::current() };
    let outer = Context::with(|context| context.and_then(|context| context.stale.clone()));
    let out = context.scope(call).await;
    if !stale.load(Ordering::Acquire) {
        return Freshness::Fresh(out);
    }
    if let Some(outer) = outer {
        outer.store(true, Ordering::Release);
    }
    Freshness::Stale(out)
}
