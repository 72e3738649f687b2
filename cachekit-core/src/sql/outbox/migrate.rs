//! The outbox's tables, made by the library or by the user's own migrations.

use sqlx::Pool;

use super::Backend;

/// The tables for PostgreSQL, to be copied into a migration. They can be created again and again.
#[cfg(feature = "sqlx-postgres")]
pub const POSTGRES_SCHEMA: &str = include_str!("../postgres/schema.sql");

/// The tables for MySQL and MariaDB, to be copied into a migration. They can be created again and again.
#[cfg(feature = "sqlx-mysql")]
pub const MYSQL_SCHEMA: &str = include_str!("../mysql/schema.sql");

/// The tables for SQLite, to be copied into a migration. They can be created again and again.
#[cfg(feature = "sqlx-sqlite")]
pub const SQLITE_SCHEMA: &str = include_str!("../sqlite/schema.sql");

/// Creates the tables of the outbox that are missing. Several processes may do so at once.
///
/// A service whose migrations are files copies the SQL instead, from the constant `POSTGRES_SCHEMA`, `MYSQL_SCHEMA` or
/// `SQLITE_SCHEMA` beside this function.
///
/// # Errors
///
/// Those of the database, such as a user that may not create tables.
///
/// # Cancel safety
///
/// Dropped in mid-way it has created some tables or none; call it again.
///
#[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
/// use sqlx::SqlitePool;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> sqlx::Result<()> {
/// let pool = SqlitePool::connect("sqlite::memory:").await?;
/// cachekit_core::sql::outbox::migrate(&pool).await?;
/// # Ok(())
/// # }
/// ```
pub async fn migrate<DB: Backend>(pool: &Pool<DB>) -> sqlx::Result<()> {
    DB::migrate(pool).await
}
