//! What cachekit does with databases: transactions that carry their invalidations, the outbox.

mod connection;
#[cfg(feature = "_sqlx")]
pub mod outbox;

pub use connection::InTransaction;
