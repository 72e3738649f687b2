//! An option that is designed and not there yet.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", version = 1, consistency = "strong")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
