//! What locks and their fencing numbers ask of a database.

mod asked;
#[cfg(feature = "sqlx-mysql")]
mod mysql;
#[cfg(feature = "sqlx-postgres")]
mod postgres;
#[cfg(feature = "sqlx-sqlite")]
mod sqlite;

pub(super) use self::asked::{Holder, Row, Times};
pub use self::asked::{LockDatabase, sealed};
#[allow(unused_imports, reason = "each database uses its part")]
use self::asked::{ms, waited_in_vain};

/// The table for PostgreSQL.
#[cfg(feature = "sqlx-postgres")]
pub(super) const POSTGRES_SCHEMA: &str = include_str!("postgres.sql");

/// The table for MySQL and MariaDB.
#[cfg(feature = "sqlx-mysql")]
pub(super) const MYSQL_SCHEMA: &str = include_str!("mysql.sql");

/// The table for SQLite.
#[cfg(feature = "sqlx-sqlite")]
pub(super) const SQLITE_SCHEMA: &str = include_str!("sqlite.sql");
