//! The transactional outbox: what a transaction changed, written in the same transaction.

mod backend;
mod claim;
mod marker;
mod migrate;
mod row;
mod statement;

pub use super::relay::{DeadRow, Relay, RelayHandle, backlog, redrive};
#[doc(hidden)]
pub use backend::sealed;
pub use backend::{Backend, Verdict};
pub use claim::{Backlog, Claim, Claimed};
#[allow(unused_imports, reason = "each database uses its part")]
pub(crate) use claim::{Raw, list, micros};
pub(crate) use marker::Markers;
#[cfg(feature = "sqlx-mysql")]
pub use migrate::MYSQL_SCHEMA;
#[cfg(feature = "sqlx-postgres")]
pub use migrate::POSTGRES_SCHEMA;
#[cfg(feature = "sqlx-sqlite")]
pub use migrate::SQLITE_SCHEMA;
pub use migrate::migrate;
pub use row::{OutboxRow, RowId, StoredEvent};
pub use statement::Dialect;
