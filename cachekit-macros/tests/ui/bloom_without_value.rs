//! An option without its filter.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", bloom)]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
