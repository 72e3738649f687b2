//! What cachekit does with databases: transactions that carry their invalidations, the outbox.

mod connection;
#[cfg(feature = "sqlx-mysql")]
mod mysql;
#[cfg(feature = "_sqlx")]
pub mod outbox;
#[cfg(feature = "sqlx-postgres")]
mod postgres;
#[cfg(feature = "sqlx-sqlite")]
mod sqlite;

pub use connection::InTransaction;
