//! A type that cannot be absent.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", negative_ttl = "1m")]
async fn find_user(id: i64) -> Result<i64, String> {
    Ok(id)
}

fn main() {}
