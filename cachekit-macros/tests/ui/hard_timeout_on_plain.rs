//! Functions that cannot say that time is up.

use cachekit::cached;

#[cached(key = "name:<id>", ttl = "1h", hard_timeout = "2s")]
async fn name(id: i64) -> String {
    id.to_string()
}

#[cached(key = "nick:<id>", ttl = "1h", hard_timeout = "2s")]
async fn nick(id: i64) -> Option<String> {
    Some(id.to_string())
}

fn main() {}
