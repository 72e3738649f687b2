//! A path to the facade.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", crate = "not a path")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
