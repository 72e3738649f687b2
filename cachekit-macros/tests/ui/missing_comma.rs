//! Two options run together.

use cachekit::cached;

#[cached(key = "user:<id>" ttl = "1h")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
