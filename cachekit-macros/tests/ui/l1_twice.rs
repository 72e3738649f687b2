//! An option is given once.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", l1 = false, l1 = true)]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
