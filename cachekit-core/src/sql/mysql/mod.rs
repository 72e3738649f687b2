//! The outbox in MySQL and MariaDB.

mod backend;
mod claim;
