//! Functions that are given what commits after the lock is released.

use cachekit::{Transaction, locked};
use sqlx::{Executor, Sqlite, SqliteConnection};

#[locked(key = "order:<id>")]
async fn borrowed(tx: &mut Transaction<'_, Sqlite>, id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", outside_tx)]
async fn owned(tx: sqlx::Transaction<'static, Sqlite>, id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>")]
async fn connection(conn: &mut SqliteConnection, id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>")]
async fn generic<'c, E: Executor<'c>>(db: E, id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

fn main() {}
