//! The highest number that a database was shown, so that the next one is above it.

use sqlx::Pool;

use super::{LockDatabase, errors};
use crate::{
    cache::Cache,
    error::{Error, ErrorKind},
    key::Key,
    lock::database::Row,
    sql::whole,
};

impl Cache {
    /// The highest fencing number that was shown for the key in this database, 0 if none was: give it to
    /// [`Lock::above`](crate::Lock::above), and the numbers go on growing after Redis has lost its data.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the database cannot be reached, [`ErrorKind::Config`] if the table is missing (see
    /// [`fencing::migrate`](crate::fencing::migrate)), [`ErrorKind::Unexpected`] if it refuses the query.
    ///
    /// # Cancel safety
    ///
    /// It only reads; drop it at any time.
    ///
    #[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
    #[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
    /// use cachekit::key;
    /// use cachekit_core::{Cache, fencing};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// fencing::migrate(&pool).await?;
    /// let cache = Cache::builder().build()?;
    ///
    /// let id = 17;
    /// let floor = cache.fencing_floor(&pool, &key!("order:<id>")).await?;
    /// let guard = cache.lock(key!("order:<id>")).above(floor).acquire().await?;
    /// assert!(guard.fencing_token() > floor);
    /// # guard.release().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn fencing_floor<DB: LockDatabase>(
        &self,
        pool: &Pool<DB>,
        key: &Key,
    ) -> Result<u64, Error> {
        let failed =
            |error| errors::of_database("read the fencing floor", key.to_template(), error);
        let namespace = self.engine().map_or("", |engine| engine.namespace());
        let row = Row { namespace, resource: key.as_str() };
        let floor = whole(pool, async |conn| DB::floor(conn, row).await).await.map_err(failed)?;
        u64::try_from(floor).map_err(|_| {
            let message = "`cachekit_fences` has a number below zero, which nobody was given";
            Error::new(ErrorKind::Unexpected, "read the fencing floor", message)
        })
    }
}
