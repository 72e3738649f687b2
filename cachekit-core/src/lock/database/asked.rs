//! What is asked, of any kind of database.

use std::time::Duration;

use sqlx::{Database, Pool};

use crate::sync::{Instant, now};

/// A database that knows fencing numbers and locks: PostgreSQL, MySQL or MariaDB, SQLite.
///
/// Implemented for the databases of sqlx by the features `sqlx-postgres`, `sqlx-mysql`, `sqlx-sqlite`; it cannot be
/// implemented elsewhere.
pub trait LockDatabase: Database + sealed::Sealed {
    /// The lock belongs to the connection that took it, and ends with it; the database wakes who waits for it.
    #[doc(hidden)]
    const OF_CONNECTION: bool;

    /// Raises the number that is stored to the holder's, unless a higher one is there, or the same of somebody else.
    /// From then on the row is the transaction's.
    #[doc(hidden)]
    fn raise(
        conn: &mut Self::Connection,
        row: Row<'_>,
        by: Holder<'_>,
    ) -> impl Future<Output = sqlx::Result<bool>> + Send;

    /// The number that is stored; 0 where there is none.
    #[doc(hidden)]
    fn floor(
        conn: &mut Self::Connection,
        row: Row<'_>,
    ) -> impl Future<Output = sqlx::Result<i64>> + Send;

    /// Takes the lock, waiting up to `wait` where the database can, and draws the next number for it. `None`: somebody
    /// else has it. An error leaves the connection in an unknown state.
    #[doc(hidden)]
    fn seize(
        conn: &mut Self::Connection,
        row: Row<'_>,
        token: &[u8],
        times: Times,
    ) -> impl Future<Output = sqlx::Result<Option<i64>>> + Send;

    /// Whether the lock is still held, for a lease more where it would run out.
    #[doc(hidden)]
    fn keep(
        conn: &mut Self::Connection,
        row: Row<'_>,
        token: &[u8],
        lease: Duration,
    ) -> impl Future<Output = sqlx::Result<bool>> + Send;

    /// Gives the lock up, and says whether it was held until now.
    #[doc(hidden)]
    fn let_go(
        conn: &mut Self::Connection,
        row: Row<'_>,
        token: &[u8],
    ) -> impl Future<Output = sqlx::Result<bool>> + Send;

    /// Takes the lock for as long as the transaction on `conn` lasts; `false`: somebody else still has it after `wait`.
    #[doc(hidden)]
    fn enter(
        conn: &mut Self::Connection,
        row: Row<'_>,
        wait: Duration,
    ) -> impl Future<Output = sqlx::Result<bool>> + Send;

    /// What a new connection of a [`SqlLock`](crate::SqlLock) is told.
    #[doc(hidden)]
    fn greet(_conn: &mut Self::Connection) -> impl Future<Output = sqlx::Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Creates the table that is missing.
    #[doc(hidden)]
    fn migrate(pool: &Pool<Self>) -> impl Future<Output = sqlx::Result<()>> + Send;
}

#[doc(hidden)]
pub mod sealed {
    /// Keeps the trait to this crate.
    pub trait Sealed {}
}

/// What is locked, by name.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) resource: &'a str,
}

/// Who says so.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// Its fencing number.
    pub(crate) number: i64,
    /// What tells it from others who were given the same number.
    pub(crate) token: &'a [u8],
}

/// How long a lock is waited for, and how long it lasts by itself.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub(crate) wait: Duration,
    pub(crate) lease: Duration,
}

impl Times {
    /// What is left of the wait, if so much of it is over that it makes a difference.
    #[allow(dead_code, reason = "not every database waits")]
    pub(super) fn left_after(&self, began: Instant) -> Option<Duration> {
        let waited = now().saturating_duration_since(began);
        (waited >= Duration::from_millis(100)).then(|| self.wait.saturating_sub(waited))
    }
}

/// Whether the error says that somebody else had a lock for longer than was waited for.
#[allow(dead_code, reason = "not every database asks")]
pub(super) fn waited_in_vain(error: &sqlx::Error, code: &str) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.code().as_deref() == Some(code)
}

#[allow(dead_code, reason = "each database uses its part")]
pub(super) fn ms(duration: Duration) -> i64 {
    duration.as_millis().try_into().unwrap_or(i64::MAX / 4)
}
