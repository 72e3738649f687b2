//! A filter that is none.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", bloom = 7)]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
