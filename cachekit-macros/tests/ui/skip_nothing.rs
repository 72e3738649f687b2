//! A list without names.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", skip())]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
