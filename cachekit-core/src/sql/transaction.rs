//! A transaction that carries its invalidations.

use std::{
    fmt,
    future::ready,
    ops::{Deref, DerefMut},
    pin::Pin,
};

use sqlx::{Acquire, Database, Pool, pool::PoolConnection};

use super::{Savepoint, commit, outbox::Backend, records::Records};
use crate::{
    cache::{Cache, Context, Outcome},
    events::Event,
    key::Key,
};

/// A transaction of sqlx that invalidates when it commits, and only then.
///
/// What is [recorded](Self::invalidate) in it is written into the outbox in the same transaction, and invalidated once
/// COMMIT was acknowledged: if this process dies in between, a [relay](crate::sql::outbox) does it. Rolled back,
/// dropped or left by a panic, it invalidates nothing.
///
/// It is used as sqlx's own: `&mut *tx` is the connection, and `&mut **tx` where `tx` is a `&mut Transaction`. A cached
/// read that is given one runs its body only, for what it sees is not committed yet.
///
/// The tables are made by [`outbox::migrate`](crate::sql::outbox::migrate).
///
#[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
/// use cachekit::key;
/// use cachekit_core::{Cache, outbox};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// outbox::migrate(&pool).await?;
/// sqlx::query("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)").execute(&pool).await?;
/// let cache = Cache::builder().build()?;
///
/// let mut tx = cache.begin(&pool).await?;
/// sqlx::query("INSERT INTO users VALUES (7, 'Ada')").execute(&mut *tx).await?;
/// let id = 7;
/// tx.invalidate(key!("user:<id>"));
/// let committed = tx.commit().await?;
/// assert_eq!(committed.invalidation, cachekit_core::Outcome::Applied);
/// # Ok(())
/// # }
/// ```
///
/// Functions that work with any of the databases say so as with sqlx:
///
#[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
/// use cachekit::key;
/// use cachekit_core::Transaction;
/// use sqlx::{Database, Executor, IntoArguments};
///
/// async fn remove_drafts<DB: Database>(tx: &mut Transaction<'_, DB>) -> sqlx::Result<()>
/// where
///     for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
///     DB::Arguments: IntoArguments<DB>,
/// {
///     sqlx::query("DELETE FROM posts WHERE draft").execute(&mut **tx).await?;
///     tx.invalidate(key!("drafts"));
///     Ok(())
/// }
/// ```
///
/// A function that is generic over `impl Acquire<'_>` and called with a borrowed transaction has a future that is not
/// `Send`; that is so with sqlx's transaction too. Take `&mut Transaction`.
pub struct Transaction<'c, DB: Database> {
    pub(super) inner: sqlx::Transaction<'c, DB>,
    pub(super) records: Records,
    pub(super) cache: Cache,
    pub(super) pool: Option<Pool<DB>>,
}

/// What became of the invalidations of a transaction that was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a pending invalidation is not visible to other processes yet"]
#[non_exhaustive]
pub struct Committed {
    /// [`Outcome::Applied`] if no read that starts now, in any process, is given what was there before; also where
    /// nothing was recorded. [`Outcome::Pending`]: this process reads past the cache for the keys, and a relay sees to
    /// it that the others do not keep them.
    pub invalidation: Outcome,
}

impl Committed {
    pub(super) const fn new(invalidation: Outcome) -> Self {
        Self { invalidation }
    }
}

impl Cache {
    /// Begins a transaction whose invalidations go to this cache.
    ///
    /// A [disabled](Cache::disabled) cache drops what is recorded.
    ///
    /// # Errors
    ///
    /// Those of [`Pool::begin`].
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the transaction is rolled back.
    pub async fn begin<DB: Backend>(
        &self,
        pool: &Pool<DB>,
    ) -> sqlx::Result<Transaction<'static, DB>> {
        Context::note_write();
        let inner = begin_whole(pool.acquire().await?).await?;
        Ok(self.adopt(inner).settling_on(pool))
    }

    /// Makes a transaction of sqlx one whose invalidations go to this cache: the one line to change in code that begins
    /// its transactions itself.
    ///
    /// A transaction does not tell which pool it came from, and two databases of one kind cannot be told apart: say
    /// [`settling_on`](Transaction::settling_on) as well. Without it, every row is left for the relay to finish, and
    /// after a COMMIT whose answer is lost nobody can be asked.
    pub fn adopt<DB: Database>(
        &self,
        tx: sqlx::Transaction<'static, DB>,
    ) -> Transaction<'static, DB> {
        Transaction { inner: tx, records: Records::default(), cache: self.clone(), pool: None }
    }
}

/// In a task of its own: sqlx 0.9 forgets a BEGIN that is dropped half-way, on MySQL and PostgreSQL, and gives the
/// connection back with the transaction open. Whoever is given that next reads what was there then, and commits nothing.
async fn begin_whole<DB: Database>(
    conn: PoolConnection<DB>,
) -> sqlx::Result<sqlx::Transaction<'static, DB>> {
    let beginning = tokio::spawn(sqlx::Transaction::begin(conn, None));
    beginning.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

impl<DB: Database> Transaction<'static, DB> {
    /// Names a pool of the same database, for an [adopted](Cache::adopt) transaction.
    ///
    /// On it the outcome of a COMMIT is settled whose answer was lost, and rows are marked as done. A pool of another
    /// database would give a wrong verdict.
    #[must_use]
    pub fn settling_on(mut self, pool: &Pool<DB>) -> Self {
        self.pool = Some(pool.clone());
        self
    }

    /// Commits, and invalidates what was recorded.
    ///
    /// The outbox row is written first, if anything was recorded; then COMMIT is sent. Once it was acknowledged, this
    /// process no longer uses the old entries, and up to 200 ms are spent waiting for the store to drop them.
    ///
    /// # Errors
    ///
    /// An error of the database says that nothing was committed. If the *answer* to COMMIT is lost, another connection
    /// asks the database what became of the transaction, for 5 s at most: the call then goes on as if the answer had
    /// come. Without a verdict in that time the error holds an [`OutcomeUnknown`](crate::OutcomeUnknown); this process
    /// reads past the cache for the keys and keeps asking. Where nothing was recorded, nobody can be asked, and an
    /// answer that is lost is such an error at once.
    ///
    /// Where the outbox's table is missing, nothing is committed and the error says what to call.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the commit and the invalidations are carried out whether the caller waits or not. Dropped before
    /// that, the transaction is rolled back.
    pub async fn commit(self) -> sqlx::Result<Committed>
    where
        DB: Backend,
    {
        commit::detached(self).await
    }

    /// Takes everything back, and forgets what was recorded.
    ///
    /// # Errors
    ///
    /// If the connection is broken; the database takes the transaction back then by itself.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the connection rolls back before it is used again.
    pub async fn rollback(self) -> sqlx::Result<()> {
        self.inner.rollback().await
    }
}

impl<DB: Database> Transaction<'_, DB> {
    /// Notes that what is cached for `key` is stale once this is committed.
    ///
    /// Keys of entries that *were not there* count as well: an insert makes a cached "not there" stale.
    pub fn invalidate(&mut self, key: Key) {
        self.invalidate_many([key]);
    }

    /// [`invalidate`](Self::invalidate) for several keys.
    pub fn invalidate_many(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.records.add(keys);
    }

    /// Notes that what was loaded under this tag is stale once this is committed; see
    /// [`Cache::invalidate_tag`].
    pub fn invalidate_tag(&mut self, tag: Key) {
        self.invalidate(tag.to_tag());
    }

    /// Notes an event that a relay publishes once this is committed, at least once.
    ///
    #[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
    #[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
    /// use cachekit_core::events::Event;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// # cachekit_core::outbox::migrate(&pool).await?;
    /// # let cache = cachekit_core::Cache::builder().build()?;
    /// #[derive(serde::Serialize)]
    /// struct Renamed {
    ///     id: i64,
    /// }
    ///
    /// let mut tx = cache.begin(&pool).await?;
    /// tx.publish(Event::new("users", &Renamed { id: 7 })?.key("7"));
    /// # let _ =
    /// tx.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish(&mut self, event: Event) {
        self.records.publish(event);
    }

    /// Sets a mark to which the transaction can be rolled back, with a list of keys of its own.
    ///
    /// # Errors
    ///
    /// Those of the database; the transaction cannot be committed any more then.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the transaction cannot be committed any more: sqlx takes all of it back.
    ///
    #[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
    #[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
    /// # use cachekit::key;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// # cachekit_core::outbox::migrate(&pool).await?;
    /// # let cache = cachekit_core::Cache::builder().build()?;
    /// let mut tx = cache.begin(&pool).await?;
    /// tx.invalidate(key!("orders"));
    /// let mut attempt = tx.savepoint().await?;
    /// attempt.invalidate(key!("vouchers"));
    /// attempt.rollback().await?;
    /// # let _ =
    /// tx.commit().await?; // invalidates `orders` only
    /// # Ok(())
    /// # }
    /// ```
    pub async fn savepoint(&mut self) -> sqlx::Result<Savepoint<'_, DB>> {
        // Dropped, or refused, sqlx rolls back one level too many.
        let before = self.records.is_in_doubt();
        self.records.set_in_doubt(true);
        let inner = self.inner.begin().await?;
        self.records.set_in_doubt(before);
        let tx = Transaction {
            inner,
            records: Records::default(),
            cache: self.cache.clone(),
            pool: None,
        };
        Ok(Savepoint::new(tx, &mut self.records))
    }

    /// The cache that the invalidations go to.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}

impl<DB: Database> Deref for Transaction<'_, DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl<DB: Database> DerefMut for Transaction<'_, DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

impl<DB: Database> AsMut<DB::Connection> for Transaction<'_, DB> {
    fn as_mut(&mut self) -> &mut DB::Connection {
        &mut self.inner
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is begun through this is a savepoint of sqlx without keys of its own.
impl<'t, DB: Database> Acquire<'t> for &'t mut Transaction<'_, DB> {
    type Database = DB;
    type Connection = &'t mut DB::Connection;

    fn acquire(self) -> BoxFuture<'t, sqlx::Result<Self::Connection>> {
        Box::pin(ready(Ok(&mut *self.inner)))
    }

    fn begin(self) -> BoxFuture<'t, sqlx::Result<sqlx::Transaction<'t, DB>>> {
        Acquire::begin(&mut self.inner)
    }
}

impl<DB: Database> fmt::Debug for Transaction<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("records", &self.records).finish_non_exhaustive()
    }
}
