//! The transactional outbox: what a transaction changed, written in the same transaction.

mod backend;
mod marker;
mod row;

pub use backend::{Backend, Backlog, Claim, Claimed, Verdict};
pub(crate) use marker::Markers;
pub use row::{OutboxRow, RowId, StoredEvent};
