//! A companion has a name.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", companion = "find_key")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
