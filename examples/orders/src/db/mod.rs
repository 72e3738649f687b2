//! The database: the one place that knows which it is.

#[cfg(all(feature = "mysql", not(feature = "postgres")))]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(not(any(feature = "mysql", feature = "postgres")))]
mod sqlite;

#[cfg(all(feature = "mysql", not(feature = "postgres")))]
pub use mysql::*;
#[cfg(feature = "postgres")]
pub use postgres::*;
#[cfg(not(any(feature = "mysql", feature = "postgres")))]
pub use sqlite::*;
