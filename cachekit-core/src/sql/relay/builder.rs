//! Building and starting a relay.

use std::{sync::Arc, time::Duration};

use sqlx::Pool;

use super::{RelayHandle, dead::DeadRow, settings::Settings};
use crate::{
    cache::Cache,
    engine::Engine,
    observe::Hook,
    sql::outbox::{Backend, Backlog},
};

/// Sees to it that what transactions recorded is invalidated and published, whatever became of their processes.
///
/// As a rule the process that commits invalidates at once and marks its row as done; the relay finds what was left:
/// rows of processes that died, rows that were written while Redis was away, and all rows with events. Run one in every
/// process of a service, or one or more apart: they share the work, and a row that a relay has claimed is its own until
/// its lease ends. Each row is dealt with at least once; to invalidate twice is harmless, and consumers know an event by
/// its id.
///
/// While Redis is away nothing is claimed, and when it is back every row is due at once. A row that Redis refuses is
/// tried again, after pauses from up to 100 ms to up to a minute, and given up after [20 tries](Self::attempts).
/// Rows are taken in no certain order, for invalidations commute.
///
/// With nothing to do it asks the database six things a second, whichever it is: five times for rows that are due, by an
/// index and without a lock or a write, and once how much waits (measured over 20 s: 6.2 statements a second on
/// PostgreSQL 15, 5.9 on MariaDB 10.11). [`poll_interval`](Self::poll_interval) changes the five. Twice a minute it looks
/// for old rows.
///
/// A relay serves the namespace of its cache. For a cache without Redis there is nothing to invalidate elsewhere, and it
/// merely keeps the table small.
///
#[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
/// use cachekit_core::{Cache, outbox::{self, Relay}};
/// use sqlx::SqlitePool;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = SqlitePool::connect("sqlite::memory:").await?;
/// outbox::migrate(&pool).await?;
/// let cache = Cache::builder().build()?;
///
/// let relay = Relay::new(&cache, &pool)
///     .on_dead(|row| eprintln!("row {} was given up: {}", row.id, row.error))
///     .start();
/// // Until the service ends:
/// relay.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "call `start`"]
pub struct Relay<DB: Backend> {
    engine: Option<Arc<Engine>>,
    pool: Pool<DB>,
    settings: Settings,
}

impl<DB: Backend> Relay<DB> {
    /// A relay from the outbox in this database to the Redis of this cache, with the defaults.
    pub fn new(cache: &Cache, pool: &Pool<DB>) -> Self {
        let (engine, pool) = (cache.engine().cloned(), pool.clone());
        Self { engine, pool, settings: Settings::default() }
    }

    /// How often the table is looked at; every 200 ms by default. Transactions of the same process and cache that leave
    /// something to do wake the relay without that.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.settings.poll = interval.max(Duration::from_millis(1));
        self
    }

    /// How many rows are claimed at a time; 256 by default.
    pub fn batch(mut self, rows: u32) -> Self {
        self.settings.batch = rows.max(1);
        self
    }

    /// For how long a claimed row is this relay's alone; 30 s by default. The rows of a relay that dies are taken over
    /// after that.
    pub fn claim_lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease.max(Duration::from_millis(100));
        self
    }

    /// How often a row that Redis refuses is tried before it is given up; 20 by default.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.settings.attempts = attempts.max(1);
        self
    }

    /// For how long rows that are done are kept; 15 minutes by default.
    ///
    /// They are what a COMMIT whose answer was lost is settled by, so this is longer than any process tries to do so.
    /// Rows that keep a transaction from committing stay for a day, rows that are pending or dead for ever.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.settings.retention = retention;
        self
    }

    /// How long [`RelayHandle::shutdown`] goes on with rows that are due; 10 s by default.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.settings.drain = timeout;
        self
    }

    /// Called with each row that is given up. It must not block; a panic in it is caught and logged.
    pub fn on_dead(mut self, hook: impl Fn(&DeadRow) + Send + Sync + 'static) -> Self {
        self.settings.on_dead = Hook::new(hook);
        self
    }

    /// Called when the oldest pending row has waited for longer than [`lag_threshold`](Self::lag_threshold), and again
    /// only after the backlog was younger in between. It must not block; a panic in it is caught and logged.
    pub fn on_lag(mut self, hook: impl Fn(&Backlog) + Send + Sync + 'static) -> Self {
        self.settings.on_lag = Hook::new(hook);
        self
    }

    /// How old a pending row may be before [`on_lag`](Self::on_lag) is called and a warning logged; 5 s by default. The
    /// backlog is looked at every second.
    pub fn lag_threshold(mut self, threshold: Duration) -> Self {
        self.settings.lag = threshold;
        self
    }

    /// Starts the relay as a task of its own, which runs until its handle is dropped or shut down. It keeps the
    /// cache's connection, but does not count as a handle to the cache.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn start(self) -> RelayHandle<DB> {
        RelayHandle::start(self.engine, self.pool, self.settings)
    }
}

/// Makes every dead row of the namespace pending again, and says how many: once what was wrong is mended.
///
/// # Errors
///
/// Those of the database.
///
/// # Cancel safety
///
/// Dropped in mid-way it has done all of it or nothing.
///
#[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
/// use cachekit_core::outbox;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> sqlx::Result<()> {
/// # let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// # outbox::migrate(&pool).await?;
/// let rows = outbox::redrive(&pool, "shop").await?;
/// assert_eq!(rows, 0);
/// # Ok(())
/// # }
/// ```
pub async fn redrive<DB: Backend>(pool: &Pool<DB>, namespace: &str) -> sqlx::Result<u64> {
    DB::redrive(pool, namespace).await
}

/// How much waits in the outbox of this namespace.
///
/// # Errors
///
/// Those of the database.
///
/// # Cancel safety
///
/// It only looks.
///
#[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
/// use cachekit_core::outbox;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> sqlx::Result<()> {
/// # let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// # outbox::migrate(&pool).await?;
/// let backlog = outbox::backlog(&pool, "shop").await?;
/// assert_eq!((backlog.pending, backlog.dead), (0, 0));
/// # Ok(())
/// # }
/// ```
pub async fn backlog<DB: Backend>(pool: &Pool<DB>, namespace: &str) -> sqlx::Result<Backlog> {
    DB::backlog(pool, namespace).await
}
