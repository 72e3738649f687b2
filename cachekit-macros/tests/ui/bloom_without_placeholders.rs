//! Keys with nothing to ask for, or too much of it.

use cachekit::{Key, bloom::Bloom, cached, key};

#[cached(key = "users", ttl = "1h", bloom = bloom)]
async fn users(bloom: &Bloom<i64>) -> Option<i64> {
    None
}

fn user_key(id: i64) -> Key {
    key!("user:<id>")
}

#[cached(key = user_key(id), ttl = "1h", bloom = bloom)]
async fn find_user(bloom: &Bloom<i64>, id: i64) -> Option<i64> {
    Some(id)
}

#[cached(key = "many:<a>:<b>:<c>:<d>:<e>", ttl = "1h", bloom = bloom)]
async fn many(bloom: &Bloom<i64>, a: i64, b: i64, c: i64, d: i64, e: i64) -> Option<i64> {
    Some(a + b + c + d + e)
}

fn main() {}
