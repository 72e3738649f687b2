//! A float is no key part.

use cachekit::cached;

#[cached(key = "price:<limit>", ttl = "1h")]
async fn find_user(limit: f64) -> Option<f64> {
    Some(limit)
}

fn main() {}
