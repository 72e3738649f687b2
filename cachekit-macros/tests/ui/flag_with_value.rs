//! An option that takes none.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", outside_tx = true)]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
