//! A jitter that reaches below zero.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "5m±10m")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
