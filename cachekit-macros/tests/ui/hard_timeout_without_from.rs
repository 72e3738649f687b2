//! An error that no error of the cache's can become.

use cachekit::cached;

#[derive(Debug)]
struct Failed;

#[cached(key = "name:<id>", ttl = "1h", hard_timeout = "2s")]
async fn name(id: i64) -> Result<String, Failed> {
    Ok(id.to_string())
}

#[cached(key = "nick:<id>", ttl = "1h", hard_timeout = "2s")]
async fn nick(id: i64) -> Result<Option<String>, Failed> {
    Ok(Some(id.to_string()))
}

fn main() {}
