//! An option given twice.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", ttl = "2h")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
