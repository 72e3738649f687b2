//! A misspelt placeholder.

use cachekit::cached;

#[cached(key = "user:<idd>", ttl = "1h")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
