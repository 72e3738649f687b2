//! A value without a name.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h")]
async fn find_user(id: i64) -> impl std::fmt::Display {
    id
}

fn main() {}
