//! What cachekit does with databases: transactions that carry their invalidations, the outbox.

mod connection;
mod optimistic;
#[cfg(feature = "_sqlx")]
pub mod outbox;

pub use connection::InTransaction;
pub use optimistic::{Conflict, IsConflict, Updated, expect_updated, retry_on_conflict};
