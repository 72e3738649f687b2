//! The outbox in PostgreSQL.

mod backend;
mod claim;
mod tables;

pub(crate) use tables::make_tables;
