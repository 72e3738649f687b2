//! A ttl is a `Ttl` or a `Duration`.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = 30)]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
