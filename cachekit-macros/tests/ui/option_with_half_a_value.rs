//! An option whose value is missing.

use cachekit::cached;

#[cached(key = , ttl = "1h")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
