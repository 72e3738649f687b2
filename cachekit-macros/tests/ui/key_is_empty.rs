//! A key without text.

use cachekit::cached;

#[cached(key = "", ttl = "1h")]
async fn find_user() -> Option<i64> {
    None
}

fn main() {}
