//! The handle that users hold.

use std::{fmt, sync::Arc, time::Duration};

use super::{CacheBuilder, Context, Outcome};
use crate::{
    audit::Audit,
    engine::Engine,
    error::{Error, ErrorKind},
    key::Key,
    sync,
    write::Writers,
};

/// A cache that stays consistent with the database behind it.
///
/// After [`invalidate`](Self::invalidate) has returned [`Outcome::Applied`], no read that starts
/// later, in any process that shares the cache, is given what was loaded before. There is no
/// `put`: values come in through loads only, fenced by tickets (in process) or leases (Redis).
///
/// A clone is a handle to the same cache. When the last one is dropped, invalidations that still
/// wait are given their quick tries and no more: call [`shutdown`](Self::shutdown) before that.
///
/// ```
/// use std::time::Duration;
/// use cachekit::{Cache, Policy, key};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Cache::builder().build()?;
/// let policy = Policy::new(Duration::from_secs(60));
/// let id = 7;
/// let load = async || Ok::<_, std::io::Error>(format!("user {id}"));
/// let user = cache.get_or_load(key!("user:<id>"), &policy, load).await?;
/// assert_eq!(user, "user 7");
///
/// cache.invalidate(key!("user:<id>")).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cache {
    /// `None`: reads run their bodies, invalidations are dropped.
    live: Option<Live>,
}

#[derive(Clone)]
struct Live {
    engine: Arc<Engine>,
    /// None in work that is to end with the cache.
    _owner: Option<Arc<Owner>>,
}

/// Tells background work that no handle is left.
struct Owner(Arc<Engine>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.renewals.end();
        self.0.queue.close();
    }
}

impl Cache {
    /// Starts building a cache. Without further calls it lives in this process alone.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::default()
    }

    /// A cache that is none: reads run their bodies, invalidations are dropped. For tools and
    /// tests that do not care.
    #[must_use]
    pub const fn disabled() -> Self {
        Self { live: None }
    }

    pub(super) fn from_engine(engine: Engine) -> Self {
        let engine = Arc::new(engine);
        let owner = Some(Arc::new(Owner(engine.clone())));
        Self { live: Some(Live { engine, _owner: owner }) }
    }

    /// The same cache, which ends without regard to this handle.
    pub(super) fn unowned(&self) -> Self {
        let engine = self.engine().cloned();
        Self { live: engine.map(|engine| Live { engine, _owner: None }) }
    }

    #[inline]
    pub(crate) fn engine(&self) -> Option<&Arc<Engine>> {
        self.live.as_ref().map(|live| &live.engine)
    }

    /// Makes this the cache of every call that names none and stands in no scope. Once per
    /// process; tests use [`scope`](Self::scope) or `#[cachekit::isolated]` instead.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Installed`] if a cache is installed already; that one stays.
    pub fn install(self) -> Result<(), Error> {
        Context::install(self).map_err(|_| {
            let advice = "a cache is installed already; install one per process, at its start";
            Error::new(ErrorKind::Installed, "install the cache", advice)
        })
    }

    /// Runs `future` with this as the cache of every call inside that names none.
    ///
    /// Tasks spawned inside do not inherit it; see [`inherit`](crate::inherit).
    ///
    /// # Cancel safety
    ///
    /// As `future`.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        let context = Context { cache: Some(self.clone()), ..Context::current() };
        context.scope(future).await
    }

    /// Drops what is cached for `key` and voids every load of it that has begun. What was loaded under `key` as a
    /// [tag](Self::invalidate_tag) is dropped with it.
    ///
    /// Call it after the write is committed. With [`Outcome::Applied`] no read that starts later,
    /// in any process, is given the old value. With [`Outcome::Pending`] the store could not be
    /// reached within 200 ms: this process reads past the cache for the key, and retries go on in
    /// the background until they get through.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the invalidation takes its course whether the caller waits or not.
    pub async fn invalidate(&self, key: Key) -> Outcome {
        self.invalidate_many([key]).await.first().map_or(Outcome::Applied, |(_, outcome)| *outcome)
    }

    /// [`invalidate`](Self::invalidate) for several keys, in one round trip. The outcomes come in
    /// the order of the keys.
    ///
    /// # Cancel safety
    ///
    /// Once polled, all of them take their course whether the caller waits or not.
    pub async fn invalidate_many(
        &self,
        keys: impl IntoIterator<Item = Key>,
    ) -> Vec<(Key, Outcome)> {
        let outcomes = match self.engine() {
            Some(engine) => Writers::submit(engine, keys).outcomes().await,
            None => keys.into_iter().map(|key| (key, Outcome::Applied)).collect(),
        };
        let receipts =
            Context::with(|context| context.and_then(|context| context.receipts.clone()));
        if let Some(receipts) = receipts {
            receipts.add(outcomes.iter().cloned());
        }
        outcomes
    }

    /// Invalidates these keys once more, so much later: for writers whose reads may see a replica that lags behind. It
    /// takes its course in the background, and [`shutdown`](Self::shutdown) waits for it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cachekit::{Cache, key};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cachekit::Error> {
    /// let cache = Cache::builder().build()?;
    /// let id = 7;
    /// cache.invalidate(key!("user:<id>")).await;
    /// cache.invalidate_later([key!("user:<id>")], Duration::from_millis(5));
    /// # cache.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn invalidate_later(&self, keys: impl IntoIterator<Item = Key>, after: Duration) {
        if let Some(engine) = self.engine() {
            keys.into_iter().for_each(|key| engine.queue.push_again(engine, &key, after));
        }
    }

    /// Drops all that was loaded under this tag, whatever its keys are, and has whoever asks from now on load anew.
    ///
    /// It takes its course as an [`invalidate`](Self::invalidate) does, with the same outcomes, for the price of one
    /// key, however many entries have the tag. A [receipt](crate::with_receipt) names it by
    /// [`Key::to_tag`]. A key is its own tag as well: `invalidate(key)` drops what was loaded under the tag `key`, while
    /// `invalidate_tag(key)` leaves the entry of that key.
    ///
    /// # Cancel safety
    ///
    /// As [`invalidate`](Self::invalidate).
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use cachekit::{Cache, cached, key};
    ///
    /// #[cached(key = "members:<org>:<page>", tags("org:<org>"), ttl = "1h")]
    /// async fn members(org: i64, page: u32) -> Result<Vec<String>, Infallible> {
    ///     # let _ = (org, page);
    ///     Ok(vec!["Ada".to_owned()])
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cachekit::Error> {
    /// let cache = Cache::builder().build()?;
    /// let org = 7;
    /// cache.scope(members(org, 1)).await;
    /// cache.invalidate_tag(key!("org:<org>")).await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn invalidate_tag(&self, tag: Key) -> Outcome {
        self.invalidate(tag.to_tag()).await
    }

    /// [`invalidate_tag`](Self::invalidate_tag) for several tags, in one round trip. The outcomes come in the order of
    /// the tags.
    ///
    /// # Cancel safety
    ///
    /// As [`invalidate_many`](Self::invalidate_many).
    pub async fn invalidate_tags(
        &self,
        tags: impl IntoIterator<Item = Key>,
    ) -> Vec<(Key, Outcome)> {
        let tags: Vec<_> = tags.into_iter().collect();
        let outcomes = self.invalidate_many(tags.iter().map(Key::to_tag)).await;
        tags.into_iter().zip(outcomes).map(|(tag, (_, outcome))| (tag, outcome)).collect()
    }

    /// Waits until all [tracked](Self::track) work has ended, every invalidation, delayed ones included, has reached the
    /// store, and the locks whose guards were dropped are released, up to the builder's
    /// [`shutdown_timeout`](CacheBuilder::shutdown_timeout) for all of it; then closes the connection. Locks that are
    /// still held run out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ShuttingDown`] with the number of tasks that still run and of keys that are still pending. They are
    /// lost with the process; other processes may serve their old entries until those expire.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the cache goes on as before; call it again.
    pub async fn shutdown(&self) -> Result<(), Error> {
        let Some(engine) = self.engine() else { return Ok(()) };
        engine.renewals.end();
        let (limit, began) = (engine.limits.shutdown_timeout, sync::now());
        let rest = || limit.saturating_sub(sync::now().saturating_duration_since(began));
        // First: what they write is invalidated, and what they hold released, at their end.
        let running = engine.tasks.drain(limit).await;
        let left = engine.queue.drain(rest()).await;
        engine.locks.settle(rest()).await;
        engine.store.shutdown().await;
        let message = match (running, left) {
            (0, 0) => return Ok(()),
            (0, left) => format!("{left} invalidations had not reached the store"),
            (running, 0) => format!("{running} tracked tasks had not ended"),
            (running, left) => format!(
                "{running} tracked tasks had not ended, {left} invalidations had not reached the store"
            ),
        };
        Err(Error::new(ErrorKind::ShuttingDown, "shut the cache down", message))
    }

    /// What this cache's call sites read and invalidate, so far as they have run.
    #[must_use]
    pub fn audit(&self) -> Audit {
        self.engine().map(|engine| engine.sites.audit()).unwrap_or_default()
    }

    /// How many entries the in-process tier has, expired ones and those of [tags](Self::tagged) included.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        self.engine().and_then(|engine| engine.tier.as_ref()).map_or(0, |tier| tier.len())
    }
}

/// What those have to know who build on a cache.
impl Cache {
    /// Whether processes share what is cached, through a store such as Redis.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.engine().is_some_and(|engine| !matches!(engine.store, crate::store::Store::Embedded))
    }

    /// Whether the in-process tier is bounded by what its entries weigh, not by their number: then values should
    /// [say what they weigh](crate::Policy::weighed).
    #[must_use]
    pub fn is_bounded_by_weight(&self) -> bool {
        let tier = self.engine().and_then(|engine| engine.tier.as_ref());
        tier.is_some_and(crate::tier::Map::is_by_weight)
    }
}

impl AsRef<Self> for Cache {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.engine() {
            Some(engine) => f.debug_struct("Cache").field("store", &engine.store).finish(),
            None => f.write_str("Cache(disabled)"),
        }
    }
}
