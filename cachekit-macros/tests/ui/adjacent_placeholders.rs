//! Two values without a separator.

use cachekit::cached;

#[cached(key = "user:<id><name>", ttl = "1h")]
async fn find_user(id: i64, name: &str) -> Option<i64> {
    let _ = name;
    Some(id)
}

fn main() {}
