//! The table of the numbers, made by the library or by the user's own migrations.

use sqlx::Pool;

use crate::lock::database::{self, LockDatabase};

/// The table for PostgreSQL, to be copied into a migration. It can be created again and again.
#[cfg(feature = "sqlx-postgres")]
pub const POSTGRES_SCHEMA: &str = database::POSTGRES_SCHEMA;

/// The table for MySQL and MariaDB, to be copied into a migration. It can be created again and again.
#[cfg(feature = "sqlx-mysql")]
pub const MYSQL_SCHEMA: &str = database::MYSQL_SCHEMA;

/// The table for SQLite, to be copied into a migration. It can be created again and again.
#[cfg(feature = "sqlx-sqlite")]
pub const SQLITE_SCHEMA: &str = database::SQLITE_SCHEMA;

/// Creates the table `cachekit_fences` if it is missing. Several processes may do so at once.
///
/// A service whose migrations are files copies the SQL instead, from the constant `POSTGRES_SCHEMA`, `MYSQL_SCHEMA` or
/// `SQLITE_SCHEMA` beside this function. There is one row per resource that was ever fenced. A row may be deleted when
/// nobody holds a lock on its resource, nor believes to hold one, and Redis has not lost its data since.
///
/// # Errors
///
/// Those of the database, such as a user that may not create tables.
///
/// # Cancel safety
///
/// Dropped in mid-way it has created the table or not; call it again.
///
#[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> sqlx::Result<()> {
/// let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
/// cachekit_core::fencing::migrate(&pool).await?;
/// # Ok(())
/// # }
/// ```
pub async fn migrate<DB: LockDatabase>(pool: &Pool<DB>) -> sqlx::Result<()> {
    DB::migrate(pool).await
}
