//! The outbox, on each database.

mod claims;
mod databases;
mod idle;
mod life;
mod relay;
mod relays;
mod schema;
mod verdicts;
