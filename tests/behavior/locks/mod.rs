//! Locks, on a real Redis and real databases.

mod attribute;
mod cancellation;
mod transaction;
