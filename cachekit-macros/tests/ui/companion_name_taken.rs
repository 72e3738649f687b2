//! A companion beside a function of its name.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn find_user_key() {}

fn main() {}
