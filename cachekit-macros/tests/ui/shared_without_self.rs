//! A function has no `self` to leave out.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", shared)]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
