//! The same, as a parameter.

use cachekit::cached;

trait Executor<'c> {}
trait Acquire<'c> {}

#[cached(key = "user:<id>", ttl = "1h")]
async fn find_user<'c, E: Executor<'c>>(db: E, id: i64) -> Option<i64> {
    let _ = db;
    Some(id)
}

#[cached(key = "order:<id>", ttl = "1h")]
async fn find_order<'c, A>(db: A, id: i64) -> Option<i64>
where
    A: Acquire<'c>,
{
    let _ = db;
    Some(id)
}

fn main() {}
