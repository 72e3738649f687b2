//! Locks, on a real Redis and real databases.

mod bank;
mod column;
mod fencing;
mod redlock;
mod sql;
mod sql_loss;
