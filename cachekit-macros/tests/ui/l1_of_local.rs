//! A local value is never copied.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", local, l1 = false)]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
