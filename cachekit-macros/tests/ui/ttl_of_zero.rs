//! An entry that never lives.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "0s")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
