//! The result is not there yet.

use cachekit::cached;

#[cached(key = "user:<ret.id>", ttl = "1h", skip(id))]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
