//! A handler's own word on how long its response is good.

use std::time::Duration;

use cachekit_core::Ttl;

/// How long one response is good, said by its handler as a response extension; it goes before all that the response's
/// headers say of that.
///
/// ```
/// use cachekit_tower::Freshness;
/// use http::Response;
///
/// let mut response = Response::new("rates");
/// response.extensions_mut().insert(Freshness::store("2m"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness(Option<Ttl>);

impl Freshness {
    /// It is stored for so long, however long others are: `"2m"`, `"2m±10s"`. The layer's `max_ttl` is the most.
    ///
    /// # Panics
    ///
    /// If `ttl` is no [`Ttl`].
    #[must_use]
    #[track_caller]
    pub fn store(ttl: &str) -> Self {
        match Ttl::parse(ttl) {
            Ok(ttl) => Self(Some(ttl)),
            Err(error) => panic!("`Freshness::store`: {error}"),
        }
    }

    /// [`store`](Self::store) with a TTL that is one.
    #[must_use]
    pub fn store_for(ttl: impl Into<Ttl>) -> Self {
        Self(Some(ttl.into()))
    }

    /// It is neither stored nor given to anybody else.
    #[must_use]
    pub const fn never() -> Self {
        Self(None)
    }

    pub(crate) fn ttl(self) -> Option<Duration> {
        self.0.map(|ttl| Duration::from_millis(ttl.sample_ms()))
    }
}
