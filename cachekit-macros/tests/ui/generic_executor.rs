//! An executor that may be in a transaction.

use cachekit::cached;

trait Executor {}

#[cached(key = "user:<id>", ttl = "1h")]
async fn find_user(db: impl Executor, id: i64) -> Option<i64> {
    let _ = db;
    Some(id)
}

fn main() {}
