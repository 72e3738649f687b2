//! An expression that is no `Duration`.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", hard_timeout = 2)]
async fn find_user(id: i64) -> Result<i64, cachekit::Error> {
    Ok(id)
}

fn main() {}
