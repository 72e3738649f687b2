//! How a filter is made.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use super::{
    Bloom,
    filter::{Filter, Home},
    geometry::Geometry,
    local::Local,
};
use crate::{
    cache::Cache,
    error::{Error, ErrorKind},
};

pub(super) const MAKE: &str = "make a bloom filter";

/// Collects what a [`Bloom`] filter is to be like.
#[must_use = "call `build`"]
pub struct BloomBuilder<K: ?Sized> {
    name: String,
    expected: u64,
    rate: f64,
    settle: Duration,
    ids: PhantomData<fn(&K)>,
}

impl<K: ?Sized> BloomBuilder<K> {
    pub(super) fn new(name: String) -> Self {
        let settle = Duration::from_secs(5);
        Self { name, expected: 1_000_000, rate: 0.01, settle, ids: PhantomData }
    }

    /// How many ids it is made for; 1 000 000 by default. More make it let more pass, see the
    /// [module](crate::bloom#how-many-are-too-many).
    pub fn expected(mut self, ids: u64) -> Self {
        self.expected = ids;
        self
    }

    /// The share of ids that were never added and pass all the same, once it has as many ids as expected; 0.01 by
    /// default, which is one in a hundred. From 0.000001 to 0.5.
    pub fn false_positives(mut self, share: f64) -> Self {
        self.rate = share;
        self
    }

    /// The longest that a writer takes from adding its id to the end of its commit; 5 s by default. A rebuild waits for
    /// so long before it begins its scan. The same in every process.
    pub fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }

    /// Makes the filter of this name in the cache's Redis and namespace, shared with every process that names the same;
    /// or in this process alone, if that is where the cache is. Nothing is sent yet.
    ///
    /// The filter of a [disabled](Cache::disabled) cache says "perhaps" to everything.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a name or numbers that are not usable: a name is 1 to 64 bytes without `:`, `.`, `{`
    /// and `}`, and the filter must fit into 256 MB, which is about 220 million ids at 1 %.
    pub fn build(self, cache: &Cache) -> Result<Bloom<K>, Error> {
        let geometry = self.geometry()?;
        let home = home(cache, &self.name, geometry)?;
        let Self { name, expected, settle, .. } = self;
        Ok(Bloom::of(Arc::new(Filter::new(name, home, geometry, expected, settle))))
    }

    fn geometry(&self) -> Result<Geometry, Error> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Config, MAKE, message));
        if self.expected == 0 {
            return refuse("`expected` must be at least 1".to_owned());
        }
        if !(0.000_001..=0.5).contains(&self.rate) {
            return refuse(format!("`false_positives` is {}; give 0.000001 to 0.5", self.rate));
        }
        match Geometry::fitting(self.expected, self.rate) {
            Some(geometry) => Ok(geometry),
            None => refuse(format!(
                "{} ids with a share of {} take more than 256 MB; allow more false positives, or split the ids over \
                 several filters",
                self.expected, self.rate
            )),
        }
    }
}

fn home(cache: &Cache, name: &str, geometry: Geometry) -> Result<Home, Error> {
    let Some(engine) = cache.engine() else { return Ok(Home::Nowhere) };
    #[cfg(feature = "redis")]
    if let Some(key) = engine.store.bloom(name)? {
        return Ok(Home::Shared(super::shared::Shared::new(key)));
    }
    let _ = (engine, name);
    Ok(Home::Local(Local::new(geometry)))
}

impl<K: ?Sized> fmt::Debug for BloomBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BloomBuilder")
            .field("name", &self.name)
            .field("expected", &self.expected)
            .field("false_positives", &self.rate)
            .field("settle", &self.settle)
            .finish()
    }
}
