//! Locks that are a transaction's.

use std::time::Duration;

use super::{SqlLock, row};
use crate::{
    error::Error,
    key::Key,
    lock::{
        database::LockDatabase,
        errors::{self, ACQUIRE},
        fencing::of_database,
    },
};

impl<DB: LockDatabase> SqlLock<DB> {
    /// Takes the lock for the transaction that is open on `conn`: it ends with COMMIT or ROLLBACK, or with the connection,
    /// and so can never be lost before the work that is done in that transaction. No other connection is needed, and
    /// nothing is renewed.
    ///
    /// PostgreSQL has a lock of this kind (`pg_advisory_xact_lock`); MySQL and MariaDB lock the key's row in
    /// `cachekit_fences`; on SQLite a transaction that has written excludes all others of its file, whatever their keys.
    /// Outside of a transaction it is given up at once.
    ///
    /// Take it before anything is read: what was read before may be what another holder has changed since. Take several in
    /// one order everywhere.
    ///
    /// `wait` is rounded up to whole seconds by MySQL. A `wait` of zero looks whether it is free; there MySQL waits for a
    /// second.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WaitExhausted`](crate::ErrorKind::WaitExhausted) if another transaction has it for longer than `wait`,
    /// [`Busy`](crate::ErrorKind::Busy) with a `wait` of zero. [`Unavailable`](crate::ErrorKind::Unavailable) if the
    /// database gave way to another transaction, or cannot be reached. [`Config`](crate::ErrorKind::Config) if the table
    /// is missing. [`Unexpected`](crate::ErrorKind::Unexpected) if it refuses the statement. Roll back after any of them.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the transaction may have the lock, and on SQLite another time-out than before: drop it, and on
    /// SQLite close the connection. A statement that is sent all the same may be given this one's error.
    ///
    #[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
    #[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
    /// use std::time::Duration;
    /// use cachekit::key;
    /// use cachekit_core::{SqlLock, fencing};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// fencing::migrate(&pool).await?;
    /// let locks = SqlLock::new(&pool);
    ///
    /// let id = 7;
    /// let mut tx = pool.begin().await?;
    /// locks.enter(&mut *tx, &key!("account:<id>"), Duration::from_secs(2)).await?;
    /// // Read, decide, write: in this transaction.
    /// tx.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn enter(
        &self,
        conn: &mut DB::Connection,
        key: &Key,
        wait: Duration,
    ) -> Result<(), Error> {
        let template = key.to_template();
        match DB::enter(conn, row(&self.inner.namespace, key), wait).await {
            Ok(true) => Ok(()),
            Ok(false) if wait.is_zero() => Err(errors::busy(&template)),
            Ok(false) => Err(errors::exhausted(&template, wait)),
            Err(error) => Err(of_database(ACQUIRE, template, error)),
        }
    }
}
