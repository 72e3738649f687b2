//! Redis fails under load, and reads go on: none fails, none waits long, none is stale, and the database is spared.

#![allow(clippy::unwrap_used, reason = "what helps tests is part of them")]

mod away_at_start;
mod database;
mod frozen;
mod killed;
mod load;
mod read_only;
mod refusing;
mod slow;
mod source_away;
mod source_slow;
