//! The outbox, on each database.

mod claims;
mod databases;
mod life;
mod schema;
mod verdicts;
