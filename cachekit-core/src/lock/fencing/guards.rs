//! Guards show the numbers of their own.

use sqlx::{Connection, Database};

use super::{Fence, LockDatabase};
use crate::{
    error::{Error, ErrorKind},
    key::Key,
    lock::{LockGuard, LockHandle, hold::Hold},
};

impl Hold {
    /// Says of what the number is. The number alone does not tell its holder from one who was given it again by a
    /// Redis that has lost its data.
    pub(in crate::lock) fn show_as(&self, namespace: &str, key: &Key) {
        let holder = *uuid::Uuid::now_v7().as_bytes();
        self.show(Fence::new(key.clone(), self.fence()).namespace(namespace).holder(holder));
    }

    /// What is already known of it cannot change.
    pub(in crate::lock) fn show(&self, fence: Fence) {
        let _ = self.shown.set(fence);
    }
}

impl LockHandle {
    /// The lock's fencing number as others need it who write on its behalf, one for each key: a service that is called, a
    /// job that is started. What they show counts as this holder's.
    #[must_use]
    pub fn fences(&self) -> Vec<Fence> {
        self.holds().iter().filter_map(|hold| hold.shown.get().cloned()).collect()
    }

    /// Shows the lock's fencing number to the database, inside the transaction that is open on `conn`; see
    /// [`LockGuard::fence`].
    ///
    /// # Errors
    ///
    /// Those of [`LockGuard::fence`].
    ///
    /// # Cancel safety
    ///
    /// That of [`LockGuard::fence`].
    pub async fn fence<C>(&self, conn: &mut C) -> Result<(), Error>
    where
        C: Connection,
        C::Database: LockDatabase + Database<Connection = C>,
    {
        for hold in self.holds() {
            let Some(fence) = hold.shown.get() else {
                let message = "this lock has no number of its own";
                return Err(Error::new(ErrorKind::Unexpected, "show the fencing number", message));
            };
            fence.show(&mut *conn).await?;
        }
        Ok(())
    }
}

impl LockGuard {
    /// Shows the lock's fencing number to the database, inside the transaction that is open on `conn`: this holder's
    /// writes in it are refused if a later holder was there before, and cannot come after one.
    ///
    /// Call it first in the transaction, before anything is read on which it decides. Of several locks each shows its
    /// number, in the order of their keys. More in [`fencing`](crate::fencing) and at
    /// [`Fence::show`](crate::fencing::Fence::show).
    ///
    /// The database is asked, and not the clock: a holder whose lease is over but whose place nobody has taken is let
    /// through, and does no harm.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Fenced`] if a later holder was there: roll back. [`ErrorKind::Unavailable`] if the database gave way
    /// to another transaction, or cannot be reached. [`ErrorKind::Config`] if the table is missing, see
    /// [`fencing::migrate`](crate::fencing::migrate). [`ErrorKind::Unexpected`] if it refuses the statement.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the number was shown or not, as with any statement of sqlx: drop the transaction. A statement that
    /// is sent in it all the same may be given this one's error.
    ///
    #[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
    #[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
    /// use cachekit::key;
    /// use cachekit_core::{Cache, fencing, outbox};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// outbox::migrate(&pool).await?;
    /// fencing::migrate(&pool).await?;
    /// # sqlx::query("CREATE TABLE orders (id INTEGER PRIMARY KEY, paid INTEGER)").execute(&pool).await?;
    /// let cache = Cache::builder().build()?;
    ///
    /// let id = 17;
    /// let guard = cache.lock(key!("order:<id>")).acquire().await?;
    /// let mut tx = cache.begin(&pool).await?;
    /// guard.fence(&mut *tx).await?;
    /// sqlx::query("UPDATE orders SET paid = 1 WHERE id = ?").bind(id).execute(&mut *tx).await?;
    /// tx.invalidate(key!("order:<id>"));
    /// # let _ =
    /// tx.commit().await?;
    /// guard.release().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn fence<C>(&self, conn: &mut C) -> Result<(), Error>
    where
        C: Connection,
        C::Database: LockDatabase + Database<Connection = C>,
    {
        self.handle().fence(conn).await
    }
}
