//! A placeholder like no argument.

use cachekit::cached;

#[cached(key = "user:<customer>", ttl = "1h")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
