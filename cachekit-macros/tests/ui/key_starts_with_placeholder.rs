//! A key without a name of its own.

use cachekit::cached;

#[cached(key = "<id>", ttl = "1h")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
