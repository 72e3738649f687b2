//! Transactions invalidate when they commit, and only then: on PostgreSQL, MariaDB and SQLite.

mod attributes;
mod commit;
mod cost;
mod database;
mod dropped;
mod handler;
mod lost_answer;
mod pending;
mod savepoints;

pub(crate) use pending::Sink;

use database::{Items, on_mariadb, on_postgres, on_sqlite};
