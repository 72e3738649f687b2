//! The outbox in PostgreSQL.

mod backend;
mod claim;
