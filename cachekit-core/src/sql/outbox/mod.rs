//! The transactional outbox: what a transaction changed, written in the same transaction.

mod backend;
mod claim;
mod migrate;
mod row;

#[doc(hidden)]
pub use backend::sealed;
pub use backend::{Backend, Verdict};
pub use claim::{Backlog, Claim, Claimed};
pub(crate) use claim::{Raw, list, micros};
#[cfg(feature = "sqlx-mysql")]
pub use migrate::MYSQL_SCHEMA;
#[cfg(feature = "sqlx-postgres")]
pub use migrate::POSTGRES_SCHEMA;
#[cfg(feature = "sqlx-sqlite")]
pub use migrate::SQLITE_SCHEMA;
pub use migrate::migrate;
pub use row::{OutboxRow, RowId, StoredEvent};
