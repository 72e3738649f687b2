//! An option that needs a value.

use cachekit::cached;

#[cached(key = "user:<id>", ttl)]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
