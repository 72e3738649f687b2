//! An option that is designed and not there yet.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", consistency = "strong", tags("users"))]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
