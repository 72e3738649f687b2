//! The locks of one database, and the connections they are held over.

use std::{fmt, sync::Arc, time::Duration};

use sqlx::{
    Connection, Database, Pool,
    pool::{PoolConnection, PoolOptions},
};

use super::{seize, session::Session};
use crate::lock::{
    database::{LockDatabase, Row},
    errors::ACQUIRE,
    fencing::of_database,
    handle::LockHandle,
    hold::Hold,
    keeping::Keeping,
    queue::Queue,
    request::{Asked, KeptLock, LockRequest, Locker, Taken},
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind},
    key::Key,
    sync::within,
};

/// How many locks of one [`SqlLock`] are held or waited for at once.
const CONNECTIONS: u32 = 16;

/// How long the database may take for what it has not to wait for.
pub(super) const ANSWER: Duration = Duration::from_secs(2);

/// Locks that the database keeps which the work is done in: the choice where correctness hangs on the lock.
///
/// | | what is locked | ends by itself |
/// |---|---|---|
/// | PostgreSQL | a session's advisory lock, of 64 bits made of namespace and key | with its connection |
/// | MySQL, MariaDB | `GET_LOCK`, under a name of this database | with its connection |
/// | SQLite | a row of `cachekit_fences`; so only processes that open **the same file** exclude one another | with its lease |
///
/// The table is made by [`fencing::migrate`](crate::fencing::migrate). Each acquisition draws the next
/// [fencing token](KeptLock::fencing_token) there, so it only grows, whatever is lost elsewhere.
///
/// **What it is worth.** No two sessions have the lock, as the database sees it. But a database ends a session that it
/// takes for dead, and its holder learns of that with the next sign of life, a third of the
/// [`lease`](LockRequest::lease) later; until then two may be at work. Two ways close the gap, and each is enough:
///
/// * [`enter`](Self::enter): the lock is the *transaction's*, and ends with the work in it;
/// * [`KeptLock::fence`] in each transaction: a holder that was overtaken is refused.
///
/// A lock is not taken while a transaction of a former holder that has shown its number is still open.
///
/// A held lock needs a connection of its own. They come from a small pool beside the one that is given, so that work under
/// locks does not wait for connections that locks have; a connection goes back there only after its lock was
/// given up for certain, and is closed otherwise. A pooler that hands out sessions by the transaction, such as PgBouncer
/// in that mode, cannot stand before it.
///
/// Locks of [`Cache::lock`](crate::Cache::lock) and of this know nothing of each other; nor do, on MySQL and
/// SQLite, those of [`enter`](Self::enter) and [`lock`](Self::lock). Use one of them for a key.
///
#[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
/// use cachekit::key;
/// use cachekit_core::{SqlLock, fencing};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let url = format!("sqlite://{}?mode=rwc", dir.path().join("shop.db").display());
/// # let pool = sqlx::SqlitePool::connect(&url).await?;
/// fencing::migrate(&pool).await?;
/// # sqlx::query("CREATE TABLE accounts (id INTEGER PRIMARY KEY, cents INTEGER)").execute(&pool).await?;
/// let locks = SqlLock::new(&pool).namespace("shop");
///
/// let id = 7;
/// let guard = locks.lock(key!("account:<id>")).acquire().await?;
/// let mut tx = pool.begin().await?;
/// guard.fence(&mut *tx).await?;
/// sqlx::query("UPDATE accounts SET cents = cents - 1 WHERE id = ?").bind(id).execute(&mut *tx).await?;
/// tx.commit().await?;
/// guard.release().await?;
/// # Ok(())
/// # }
/// ```
pub struct SqlLock<DB: Database> {
    pub(super) inner: Arc<Inner<DB>>,
}

/// A lock that a database keeps; see [`SqlLock`].
pub type SqlLockGuard<DB> = KeptLock<SqlLock<DB>>;

pub(super) struct Inner<DB: Database> {
    pool: Pool<DB>,
    pub(super) namespace: Arc<str>,
    queue: Arc<Queue>,
    clock: Clock,
}

impl<DB: LockDatabase> SqlLock<DB> {
    /// Locks in the database of this pool, over at most 16 connections beside it that are made when they are needed.
    ///
    /// The connections are made with the pool's options of connections; what the pool does with each after that
    /// (`after_connect`) is not done with them. Clone this rather than make another: clones share the connections and the
    /// order in which callers of this process are served.
    #[must_use]
    pub fn new(pool: &Pool<DB>) -> SqlLock<DB> {
        SqlLock::with_connections(pool, CONNECTIONS)
    }

    /// [`new`](Self::new) with another number of connections: as many locks can be held or waited for at once, at least
    /// one.
    #[must_use]
    pub fn with_connections(pool: &Pool<DB>, most: u32) -> SqlLock<DB> {
        let options = (*pool.connect_options()).clone();
        let own = PoolOptions::new()
            .max_connections(most.max(1))
            .acquire_timeout(ANSWER)
            .after_connect(|conn, _| Box::pin(DB::greet(conn)));
        let inner = Inner {
            pool: own.connect_lazy_with(options),
            namespace: Arc::default(),
            queue: Arc::default(),
            clock: Clock::boot(),
        };
        SqlLock { inner: Arc::new(inner) }
    }

    /// What the names of the locks, and of the rows with their numbers, begin with, at most 64 bytes; empty by default,
    /// as in an embedded cache. Only those who use the same one exclude one another.
    #[must_use]
    pub fn namespace(self, namespace: &str) -> SqlLock<DB> {
        let inner = Inner {
            pool: self.inner.pool.clone(),
            namespace: namespace.into(),
            queue: Arc::default(),
            clock: self.inner.clock.clone(),
        };
        SqlLock { inner: Arc::new(inner) }
    }

    /// The lock of this key, to be taken by [`acquire`](LockRequest::acquire),
    /// [`try_acquire`](LockRequest::try_acquire) or [`run`](LockRequest::run).
    ///
    /// `lease` says how often the holder asks for a sign of life; on SQLite also how long others wait for a holder that
    /// died, by the clock of the machine.
    pub fn lock(&self, key: Key) -> LockRequest<SqlLock<DB>> {
        LockRequest::new(self.clone(), key)
    }
}

impl<DB: LockDatabase> Locker for SqlLock<DB> {
    const NAME: &'static str = "sql";

    async fn take(&self, asked: Asked<'_>) -> Result<Taken, Error> {
        let turn = asked.turn(&self.inner.queue).await?;
        let connection = self.connection(&asked).await?;
        let namespace = self.inner.namespace.clone();
        let session = Session::new(connection, namespace, asked.key.clone());
        let (session, number, until_ms) = seize::seize(session, &asked, &self.inner.clock).await?;
        let (template, clock) = (asked.key.to_template(), self.inner.clock.clone());
        let hold = Hold::new(template, number, clock, until_ms, asked.terms.max_hold);
        hold.show(session.fence(number));
        let kept = session.kept_for(asked.terms.lease);
        Ok(Taken(Keeping::start(hold, kept, asked.terms.lease, Some(turn))))
    }
}

impl<DB: LockDatabase> SqlLock<DB> {
    async fn connection(&self, asked: &Asked<'_>) -> Result<PoolConnection<DB>, Error> {
        let pool = &self.inner.pool;
        let limit = asked.patience.left().max(ANSWER);
        let error = loop {
            // The pool's own limit is shorter than a caller may wait for others to release their locks.
            match within(limit, pool.acquire()).await {
                Some(Ok(connection)) => return Ok(connection),
                Some(Err(sqlx::Error::PoolTimedOut)) if self.is_crowded() => {}
                Some(Err(error)) => break error,
                None => break sqlx::Error::PoolTimedOut,
            }
            if asked.patience.left().is_zero() {
                return Err(self.crowded(asked.key));
            }
        };
        Err(of_database(ACQUIRE, asked.key.to_template(), error))
    }

    fn is_crowded(&self) -> bool {
        let pool = &self.inner.pool;
        pool.size() >= pool.options().get_max_connections() && pool.num_idle() == 0
    }

    fn crowded(&self, key: &Key) -> Error {
        let most = self.inner.pool.options().get_max_connections();
        let message = format!(
            "{most} locks are held or waited for, one a connection; allow more with `with_connections`"
        );
        Error::new(ErrorKind::Overloaded, ACQUIRE, message).with_template(key.to_template())
    }
}

impl<DB: LockDatabase> KeptLock<SqlLock<DB>> {
    /// The number of this acquisition, greater than that of every earlier one of the same resource in this database.
    #[must_use]
    pub fn fencing_token(&self) -> u64 {
        self.handle.fencing_token()
    }

    /// What the guarded work may know of the lock: a handle that can be cloned and sent elsewhere, and cannot release.
    #[must_use]
    pub fn handle(&self) -> LockHandle {
        self.handle.clone()
    }

    /// Shows the fencing number inside the transaction that is open on `conn`; as
    /// [`LockGuard::fence`](crate::LockGuard::fence) does.
    ///
    /// # Errors
    ///
    /// Those of [`LockGuard::fence`](crate::LockGuard::fence).
    ///
    /// # Cancel safety
    ///
    /// That of [`LockGuard::fence`](crate::LockGuard::fence).
    pub async fn fence<C>(&self, conn: &mut C) -> Result<(), Error>
    where
        C: Connection,
        C::Database: LockDatabase + Database<Connection = C>,
    {
        self.handle.fence(conn).await
    }
}

impl<DB: Database> Clone for SqlLock<DB> {
    fn clone(&self) -> Self {
        SqlLock { inner: self.inner.clone() }
    }
}

impl<DB: Database> fmt::Debug for SqlLock<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = &*self.inner.namespace;
        f.debug_struct("SqlLock").field("namespace", &namespace).finish_non_exhaustive()
    }
}

pub(super) fn row<'a>(namespace: &'a str, key: &'a Key) -> Row<'a> {
    Row { namespace, resource: key.as_str() }
}
