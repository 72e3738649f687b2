//! A key is never made up.

use cachekit::cached;

#[cached(ttl = "1h")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
