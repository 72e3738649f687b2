//! A cache is a `Cache`, or refers to one.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", cache = id)]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
