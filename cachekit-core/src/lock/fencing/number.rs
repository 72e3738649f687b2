//! One holder's number for one resource, and how it is shown to a database.

use std::fmt;

use sqlx::{Connection, Database};

use super::{LockDatabase, errors};
use crate::{
    error::Error,
    key::Key,
    lock::database::{Holder, Row},
};

/// One holder's fencing number for one resource.
///
/// [`LockGuard::fence`](crate::LockGuard::fence) shows a guard's own. This is for those who were only told of the
/// number: a service that is called by the holder, or a job that it started. They need all of what
/// [`LockHandle::fences`](crate::LockHandle::fences) gives, the holder's name included: the same number of somebody else
/// is refused.
#[derive(Clone, PartialEq, Eq)]
pub struct Fence {
    namespace: String,
    key: Key,
    number: u64,
    holder: Vec<u8>,
}

impl Fence {
    /// The number that the holder of the lock on `key` was given, in the namespace of an embedded cache.
    #[must_use]
    pub fn new(key: Key, number: u64) -> Fence {
        Fence { namespace: String::new(), key, number, holder: Vec::new() }
    }

    /// The namespace of the cache whose lock it is.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Fence {
        self.namespace = namespace.into();
        self
    }

    /// What tells the holder from another one who was given the same number, at most 64 bytes. It is the same for
    /// everything that is done on behalf of one holder.
    #[must_use]
    pub fn holder(mut self, holder: impl Into<Vec<u8>>) -> Fence {
        self.holder = holder.into();
        self
    }

    /// The number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What it is the number for.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What [`holder`](Self::holder) was given.
    #[must_use]
    pub fn holder_name(&self) -> &[u8] {
        &self.holder
    }

    /// Shows the number to the database, in the transaction that is open on `conn`: from here on no holder with a lower
    /// number can write there under its own fence, and until the transaction ends nobody with a higher one either.
    ///
    /// Call it before anything is read on which the transaction decides. Outside of a transaction former holders are
    /// refused from now on, and nothing is promised of what the connection does next. Several numbers in one transaction
    /// are shown in the order of their keys, or two transactions may wait for one another.
    ///
    /// It waits for a transaction that has the row, for as long as the database lets it: `lock_timeout`,
    /// `innodb_lock_wait_timeout`, `busy_timeout`.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::Fenced`](crate::ErrorKind::Fenced) if a higher number was shown before, or this one by somebody
    ///   else. Roll back.
    /// * [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database gave way to another transaction, or
    ///   cannot be reached: begin the transaction again. [`retry_on_conflict`](crate::retry_on_conflict) knows the
    ///   former.
    /// * [`ErrorKind::Config`](crate::ErrorKind::Config) if the table is missing, see
    ///   [`fencing::migrate`](crate::fencing::migrate).
    /// * [`ErrorKind::Unexpected`](crate::ErrorKind::Unexpected) if the database refuses the statement.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the number was shown or not, as with any statement of sqlx: drop the transaction. A statement that
    /// is sent in it all the same may be given this one's error.
    ///
    #[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
    #[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
    /// use cachekit::key;
    /// use cachekit_core::{ErrorKind, fencing, fencing::Fence};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// fencing::migrate(&pool).await?;
    ///
    /// let id = 17;
    /// let mut tx = pool.begin().await?;
    /// Fence::new(key!("order:<id>"), 8).show(&mut *tx).await?;
    /// tx.commit().await?;
    ///
    /// let mut tx = pool.begin().await?;
    /// let stale = Fence::new(key!("order:<id>"), 7).show(&mut *tx).await;
    /// assert_eq!(stale.unwrap_err().kind(), ErrorKind::Fenced);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn show<C>(&self, conn: &mut C) -> Result<(), Error>
    where
        C: Connection,
        C::Database: LockDatabase + Database<Connection = C>,
    {
        let row = Row { namespace: &self.namespace, resource: self.key.as_str() };
        // Numbers stay below 2^53.
        let by = Holder { number: self.number.cast_signed(), token: &self.holder };
        match C::Database::raise(conn, row, by).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(errors::refused(self.key.to_template())),
            Err(error) => Err(errors::not_shown(self.key.to_template(), error)),
        }
    }
}

/// Shows the template: the key may hold personal data.
impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fence")
            .field("template", &self.key.template())
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
