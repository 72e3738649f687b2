//! The transactional outbox: what a transaction changed, written in the same transaction.

mod backend;
mod row;

pub use backend::{Backend, Backlog, Claim, Claimed, Verdict};
pub use row::{OutboxRow, RowId, StoredEvent};
