//! What cachekit does with databases: transactions that carry their invalidations, the outbox.

#[cfg(feature = "_sqlx")]
mod ask;
#[cfg(feature = "_sqlx")]
mod commit;
mod connection;
#[cfg(feature = "_sqlx")]
mod doubt;
#[cfg(feature = "_sqlx")]
mod doubts;
#[cfg(all(feature = "_sqlx", feature = "bloom"))]
mod filters;
#[cfg(feature = "_sqlx")]
mod home;
#[cfg(feature = "_sqlx")]
mod hub;
#[cfg(feature = "sqlx-mysql")]
mod mysql;
mod optimistic;
#[cfg(feature = "_sqlx")]
pub mod outbox;
#[cfg(feature = "_sqlx")]
mod pending;
#[cfg(feature = "sqlx-postgres")]
mod postgres;
#[cfg(feature = "_sqlx")]
mod records;
#[cfg(feature = "_sqlx")]
mod relay;
#[cfg(feature = "_sqlx")]
mod savepoint;
#[cfg(feature = "sqlx-sqlite")]
mod sqlite;
#[cfg(feature = "_sqlx")]
mod transaction;
#[cfg(feature = "_sqlx")]
mod whole;

pub use connection::InTransaction;
#[cfg(feature = "_sqlx")]
pub(crate) use hub::Hub;
pub use optimistic::{Conflict, IsConflict, Updated, expect_updated, retry_on_conflict};
#[cfg(feature = "sqlx-postgres")]
pub(crate) use postgres::make_tables;
#[cfg(feature = "_sqlx")]
pub(crate) use whole::whole;
#[cfg(feature = "_sqlx")]
pub use {
    pending::{BoxError, OutboxSink, Pending, Written},
    savepoint::Savepoint,
    transaction::{Committed, Transaction},
};
