//! A function that does not await.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h")]
fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
