//! A cache bound to a piece of work that is polled from outside, such as a request.

use std::fmt;

#[cfg(feature = "session")]
use super::Session;
use super::{Cache, Context, collector::Collector};
use crate::key::Key;
#[cfg(feature = "session")]
use crate::key::Tag;

/// Binds a [`Cache`] to the work of one request, and notes what that work writes.
///
/// Middleware enters it for every poll of what it wraps. A clone is the same scope; spawned tasks
/// inherit nothing and [`run`](Self::run) in it. For a single future [`Cache::scope`] is enough.
///
/// ```
/// use cachekit_core::{Cache, Scope};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cachekit_core::Error> {
/// let scope = Scope::new(Cache::builder().build()?);
/// scope.run(async { /* cached functions use that cache here */ }).await;
/// assert!(scope.invalidated().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Scope {
    cache: Cache,
    collector: Collector,
}

/// From where the database is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadPreference {
    /// From the primary.
    Primary,
    /// From a replica, if that has come as far as `at_least`; where none is given, from any.
    Replica {
        /// A position as [`Scope::note_position`] was given it.
        at_least: Option<u64>,
    },
}

impl ReadPreference {
    /// Whether a replica may be read that has reached this position; `None` if nobody knows.
    ///
    /// ```
    /// use cachekit_core::ReadPreference;
    ///
    /// let after_42 = ReadPreference::Replica { at_least: Some(42) };
    /// assert!(after_42.allows(Some(42)));
    /// assert!(!after_42.allows(Some(41)) && !after_42.allows(None));
    /// assert!(ReadPreference::Replica { at_least: None }.allows(None));
    /// assert!(!ReadPreference::Primary.allows(Some(u64::MAX)));
    /// ```
    #[must_use]
    pub fn allows(self, reached: Option<u64>) -> bool {
        match self {
            Self::Primary => false,
            Self::Replica { at_least: None } => true,
            Self::Replica { at_least: Some(least) } => {
                reached.is_some_and(|reached| reached >= least)
            }
        }
    }
}

impl Scope {
    /// A scope in which `cache` is the one that is used where none is named. Made in another one, it tells that one too
    /// of what is written.
    #[must_use]
    pub fn new(cache: Cache) -> Self {
        let outer = Context::with(|context| context.and_then(|context| context.collector.clone()));
        Self { cache, collector: Collector::inside(outer) }
    }

    /// The scope this is called in.
    #[must_use]
    pub fn current() -> Option<Self> {
        Context::with(|context| {
            let context = context?;
            let (cache, collector) = (context.cache.clone()?, context.collector.clone()?);
            Some(Self { cache, collector })
        })
    }

    /// The cache.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The keys that were invalidated in this scope so far, each once, in order; the first 1024.
    #[must_use]
    pub fn invalidated(&self) -> Vec<Key> {
        self.collector.keys()
    }

    /// Says that what this scope's work answers depends on `tag` too, as on one of [`Cache::tagged`]: whoever invalidates
    /// it drops the answer where it is stored.
    ///
    /// For handlers under a layer that stores responses and takes their groups from requests. They may say it whenever
    /// they know it, also after they have read: see `cachekit_tower::cache`. The scope has to be bound around that layer.
    ///
    /// ```
    /// use cachekit::{Scope, key};
    ///
    /// # fn organisation_of(id: i64) -> i64 { id }
    /// # let id = 7;
    /// let org = organisation_of(id);
    /// if let Some(scope) = Scope::current() {
    ///     scope.tag(key!("org:<org>"));
    /// }
    /// ```
    pub fn tag(&self, tag: impl Into<Key>) {
        self.collector.tag(&tag.into());
    }

    /// What was said by [`tag`](Self::tag) so far, each once, in order; the first 32.
    #[must_use]
    pub fn tags(&self) -> Vec<Key> {
        self.collector.tags()
    }

    /// Runs `work` in this scope. For the `poll` and the `Drop` of middleware; it must not block.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        self.context().enter(work)
    }

    /// Runs `future` in this scope.
    ///
    /// # Cancel safety
    ///
    /// As `future`.
    pub async fn run<F: Future>(&self, future: F) -> F::Output {
        self.context().scope(future).await
    }

    fn context(&self) -> Context {
        Context {
            cache: Some(self.cache.clone()),
            collector: Some(self.collector.clone()),
            ..Context::current()
        }
    }
}

/// Where the database is read.
impl Scope {
    /// Lets reads of the database that are not cached go to replicas, until something is written; by default they go to
    /// the primary.
    pub fn prefer_replicas(&self, allow: bool) {
        self.collector.allow_replicas(allow);
    }

    /// From where the work in this scope is to read the database: for the user's own choice of a pool.
    ///
    /// [`ReadPreference::Primary`] unless replicas are [allowed](Self::prefer_replicas), and from the moment something
    /// is written in the scope: an `#[invalidates]` function begins, a key is invalidated, or a
    /// [position is noted](Self::note_position). So too where the client's session wrote and nobody knows how far a
    /// replica has to be.
    ///
    /// Inside a load too, also one in the background, whatever is allowed: what a replica has not heard of yet would be
    /// stored, and answer everybody until it expires. A task that the load spawns is not inside it.
    ///
    /// ```
    /// use cachekit_core::{Cache, ReadPreference, Scope};
    ///
    /// # fn replica_position() -> Option<u64> { None }
    /// # struct Pools { primary: u8, replica: u8 }
    /// # fn pick(pools: &Pools) -> &u8 {
    /// let preference = Scope::current().map_or(ReadPreference::Primary, |scope| scope.read_preference());
    /// if preference.allows(replica_position()) { &pools.replica } else { &pools.primary }
    /// # }
    /// # assert_eq!(pick(&Pools { primary: 1, replica: 2 }), &1);
    /// ```
    #[must_use]
    pub fn read_preference(&self) -> ReadPreference {
        let loads = Context::with(|context| context.is_some_and(|c| c.loading.is_some()));
        if loads || !self.collector.allows_replicas() || self.collector.wrote() {
            return ReadPreference::Primary;
        }
        #[cfg(feature = "session")]
        if let Some(session) = self.session().filter(|session| session.outruns_replicas()) {
            return match session.position() {
                Some(position) => ReadPreference::Replica { at_least: Some(position) },
                None => ReadPreference::Primary,
            };
        }
        ReadPreference::Replica { at_least: None }
    }

    /// Notes where a replica will have what was written here, such as PostgreSQL's `pg_current_wal_insert_lsn()` after
    /// the commit, as a number. The highest one counts; 0 is none.
    pub fn note_position(&self, position: u64) {
        self.collector.note_write();
        self.collector.note_position(position);
    }
}

/// What the client's session wrote.
#[cfg(feature = "session")]
impl Scope {
    /// Has the reads in this scope see what the session wrote: a key it names is not answered from a copy in this
    /// process, nor, where its invalidation was under way still, from any tier. The first session counts.
    pub fn pin(&self, session: Session) {
        self.collector.pin_session(session);
    }

    /// The session that was pinned, here or in a scope around this one.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        self.collector.session().cloned()
    }

    /// Whether the session wrote any of these keys, or anything that is tagged with one of them: what another reader is
    /// given for it may be too old.
    ///
    /// ```
    /// # use cachekit::{Cache, Scope, SessionBounds, SessionSecrets, key};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cachekit::Error> {
    /// # let (cache, id) = (Cache::builder().build()?, 7);
    /// let secrets = SessionSecrets::new([7; 32])?;
    /// let bounds = SessionBounds::of(&cache);
    /// let writing = Scope::new(cache.clone());
    /// writing.run(cache.invalidate(key!("user:<id>"))).await;
    /// let token = secrets.issue(&writing, bounds).expect("a key was written");
    ///
    /// let reading = Scope::new(cache);
    /// reading.pin(secrets.read(&token).expect("it is new"));
    /// assert!(reading.is_pinned([&key!("user:<id>")]));
    /// assert!(!reading.is_pinned([&key!("all:users")]));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_pinned<'k>(&self, keys: impl IntoIterator<Item = &'k Key>) -> bool {
        let is_pinned = |key: &Key| self.collector.pin(&key.as_ref(), &[Tag::from(key)]).is_some();
        keys.into_iter().any(is_pinned)
    }

    pub(super) fn has_written(&self) -> bool {
        !self.collector.keys().is_empty() || self.noted_position().is_some()
    }

    pub(super) fn has_more_than_it_names(&self) -> bool {
        self.collector.has_more()
    }

    pub(super) fn noted_position(&self) -> Option<u64> {
        self.collector.noted_position()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("cache", &self.cache).finish_non_exhaustive()
    }
}
