//! The outbox in SQLite.

mod backend;
mod claim;
