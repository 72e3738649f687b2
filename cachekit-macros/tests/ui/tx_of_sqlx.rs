//! A transaction that does not carry invalidations.

use cachekit::invalidates;
use sqlx::Sqlite;

#[invalidates("user:<id>", tx = tx)]
async fn named(tx: &mut sqlx::Transaction<'_, Sqlite>, id: i64) {
    let _ = (tx, id);
}

#[invalidates("user:<id>")]
async fn by_its_type(tx: &mut sqlx::Transaction<'_, Sqlite>, id: i64) {
    let _ = (tx, id);
}

#[invalidates("user:<ret>")]
async fn by_the_result(tx: &mut sqlx::Transaction<'_, Sqlite>) -> sqlx::Result<i64> {
    let _ = tx;
    Ok(7)
}

#[invalidates("user:<id>", tx = id)]
async fn not_one_at_all(id: i64) {
    let _ = id;
}

fn main() {}
