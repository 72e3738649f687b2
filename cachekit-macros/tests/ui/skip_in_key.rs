//! An argument that is both.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", skip(id))]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
