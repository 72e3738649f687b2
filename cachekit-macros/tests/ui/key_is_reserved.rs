//! A key that looks like one of the library.

use cachekit::cached;

#[cached(key = "#user:<id>", ttl = "1h")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
