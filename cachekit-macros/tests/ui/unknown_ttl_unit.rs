//! A unit that does not exist.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "30x")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
