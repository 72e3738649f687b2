//! `l1` is said, or not.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", l1 = "5s")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

#[cached(key = "group:<id>", ttl = "1h", l1)]
async fn find_group(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
