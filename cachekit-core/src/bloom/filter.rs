//! The handle that users hold.

use std::{
    fmt,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{Added, Asks, BloomBuilder, BloomStats, geometry::Geometry, local::Local};
use crate::{
    error::{Error, ErrorKind},
    key::{KeyArg, Segment},
    observe,
    store::StoreError,
};

const ADD: &str = "add to a bloom filter";

/// A filter of the ids that exist, of type `K`; see the [module](crate::bloom).
///
/// `K` is a key part, such as `i64`, `str`, `Uuid` or a tuple of them; what is added and what is asked for are of this
/// type, so that the two cannot be mixed up. A clone is a handle to the same filter.
pub struct Bloom<K: ?Sized> {
    pub(super) filter: Arc<Filter>,
    ids: PhantomData<fn(&K)>,
}

/// A filter of whatever ids.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(super) name: String,
    pub(super) home: Home,
    /// As it is made at the next rebuild.
    pub(super) wanted: Geometry,
    pub(super) expected: u64,
    pub(super) settle: Duration,
    overfull: AtomicBool,
}

/// Where the bits are.
#[derive(Debug)]
pub(super) enum Home {
    /// There is no cache.
    Nowhere,
    Local(Local),
    #[cfg(feature = "redis")]
    Shared(super::shared::Shared),
}

/// What a filter says of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It certainly does not exist.
    Absent,
    /// It does, or it is one of the few that pass all the same.
    Maybe,
    /// Nothing can be said: the filter is not live, or Redis away.
    Unknown,
}

impl<K: ?Sized> Bloom<K> {
    /// The name it was built with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.filter.name
    }

    /// Starts making the filter of this name.
    pub fn builder(name: impl Into<String>) -> BloomBuilder<K> {
        BloomBuilder::new(name.into())
    }

    pub(super) fn of(filter: Arc<Filter>) -> Self {
        Self { filter, ids: PhantomData }
    }

    /// How full it is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] where Redis does not say.
    ///
    /// # Cancel safety
    ///
    /// It leaves nothing behind.
    pub async fn stats(&self) -> Result<BloomStats, Error> {
        self.filter.stats().await
    }
}

impl<K: Segment + ?Sized> Bloom<K> {
    /// Whether the id may exist: `false` is certain, `true` is not.
    ///
    /// `true` as well wherever there is a doubt, see the [module](crate::bloom#what-is-promised). At most one round trip
    /// to Redis, two where the filter has changed; none for ids that are known here.
    ///
    /// # Cancel safety
    ///
    /// It leaves nothing behind.
    pub async fn may_contain(&self, id: impl KeyArg<K>) -> bool {
        let text = (id,).text();
        self.filter.may_contain(text.as_str()).await
    }

    /// [`may_contain`](Self::may_contain), telling a "perhaps" from a filter that can say nothing.
    ///
    /// # Cancel safety
    ///
    /// It leaves nothing behind.
    pub async fn verdict(&self, id: impl KeyArg<K>) -> Verdict {
        let text = (id,).text();
        self.filter.verdict(text.as_str()).await
    }

    /// Adds an id, before the insert that issues it is committed. Adding it again does nothing.
    ///
    /// ```
    /// # use cachekit_core::bloom::Bloom;
    /// # async fn insert(users: &Bloom<i64>) -> Result<(), Box<dyn std::error::Error>> {
    /// // INSERT … RETURNING id
    /// let id = 7;
    /// let added = users.add(id).await?;
    /// // COMMIT
    /// added.confirm().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] where Redis did not take it: the insert must not be committed
    /// then, for readers would be told that the row is not there until the next rebuild.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the id may have been added, which does no harm.
    pub async fn add(&self, id: impl KeyArg<K>) -> Result<Added, Error> {
        self.add_many([id]).await
    }

    #[cfg(feature = "_sqlx")]
    pub(crate) fn asked(&self, id: impl KeyArg<K>) -> super::Asked {
        super::Question::new(self, &(id,)).to_asked()
    }

    /// [`add`](Self::add) for several ids, in one round trip.
    ///
    /// # Errors
    ///
    /// As with [`add`](Self::add); some of them may have been added.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way some of them may have been added, which does no harm.
    pub async fn add_many<A: KeyArg<K>>(
        &self,
        ids: impl IntoIterator<Item = A>,
    ) -> Result<Added, Error> {
        let texts = ids.into_iter().map(|id| (id,).text()).collect();
        Added::add(self.filter.clone(), texts).await
    }
}

impl Filter {
    pub(super) fn new(
        name: String,
        home: Home,
        wanted: Geometry,
        expected: u64,
        settle: Duration,
    ) -> Self {
        Self { name, home, wanted, expected, settle, overfull: AtomicBool::new(false) }
    }

    pub(super) async fn may_contain(&self, text: &str) -> bool {
        self.verdict(text).await != Verdict::Absent
    }

    async fn verdict(&self, text: &str) -> Verdict {
        let verdict = match &self.home {
            Home::Nowhere => None,
            Home::Local(local) => local.has(text),
            #[cfg(feature = "redis")]
            Home::Shared(shared) => shared.has(text).await,
        };
        observe::bloom_verdict(&self.name, verdict);
        match verdict {
            Some(false) => Verdict::Absent,
            Some(true) => Verdict::Maybe,
            None => Verdict::Unknown,
        }
    }

    pub(super) async fn add(&self, texts: &[&str]) -> Result<(), Error> {
        let filled = match &self.home {
            Home::Nowhere => None,
            Home::Local(local) => {
                local.add(texts.iter().copied());
                local.ids().map(|ids| (local.geometry, ids, self.expected))
            }
            #[cfg(feature = "redis")]
            Home::Shared(shared) => {
                let added = match shared.add(texts).await {
                    // The same bits once more do no harm.
                    Err(StoreError::Unknown) => shared.add(texts).await,
                    added => added,
                };
                added.map_err(|error| failed(ADD, error))?
            }
        };
        if let Some((geometry, ids, expected)) = filled {
            self.note_fill(&geometry, ids, expected);
        }
        Ok(())
    }

    /// Tells how full it is, and warns when it is too full for the first time.
    pub(super) fn note_fill(&self, geometry: &Geometry, ids: u64, expected: u64) {
        let share = geometry.rate_with(ids);
        observe::bloom_fill(&self.name, ids, share);
        if ids > expected && !self.overfull.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                filter = self.name,
                ids,
                expected,
                false_positives = share,
                "a bloom filter has more ids than it was made for and lets too many pass; rebuild it with a larger `expected`"
            );
        }
    }

    async fn stats(&self) -> Result<BloomStats, Error> {
        let (geometry, ones, expected) = match &self.home {
            Home::Nowhere => (self.wanted, None, self.expected),
            Home::Local(local) => (local.geometry, local.ones(), self.expected),
            #[cfg(feature = "redis")]
            Home::Shared(shared) => {
                let looked = shared.fill().await;
                let looked = looked.map_err(|error| failed("look at a bloom filter", error))?;
                looked.unwrap_or((self.wanted, None, self.expected))
            }
        };
        let stats = BloomStats::of(&geometry, ones, expected);
        self.note_fill(&geometry, stats.ids, expected);
        Ok(stats)
    }
}

/// An error of the store, said to users.
#[cfg_attr(not(feature = "redis"), allow(dead_code))]
pub(super) fn failed(operation: &'static str, error: StoreError) -> Error {
    let (kind, message) = match error {
        StoreError::Down => (ErrorKind::Unavailable, "redis is away"),
        StoreError::OutOfMemory => (ErrorKind::Unavailable, "redis has no memory left"),
        StoreError::Unknown => (ErrorKind::Timeout, "redis did not answer"),
        StoreError::Refused | StoreError::Unencodable => (
            ErrorKind::Unavailable,
            "redis refused it; its log has the reason, or the user may not do this",
        ),
    };
    Error::new(kind, operation, message)
}

impl<K: ?Sized> Clone for Bloom<K> {
    fn clone(&self) -> Self {
        Self::of(self.filter.clone())
    }
}

impl<K: ?Sized> AsRef<Self> for Bloom<K> {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl<K: ?Sized> fmt::Debug for Bloom<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bloom").field("name", &self.filter.name).finish_non_exhaustive()
    }
}
