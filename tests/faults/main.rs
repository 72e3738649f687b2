//! Redis fails under load, and reads go on: none fails, none waits long, none is stale, and the database is spared.

mod away_at_start;
mod database;
mod frozen;
mod killed;
mod load;
mod read_only;
mod refusing;
mod slow;
