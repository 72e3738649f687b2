//! Times that are none, and bounds that let nothing through.

use cachekit::cached;

#[cached(key = "a:<id>", ttl = "1h", hard_timeout = "0s")]
async fn nothing(id: i64) -> Result<i64, cachekit::Error> {
    Ok(id)
}

#[cached(key = "b:<id>", ttl = "1h", hard_timeout = "2s±1s")]
async fn jitter(id: i64) -> Result<i64, cachekit::Error> {
    Ok(id)
}

#[cached(key = "c:<id>", ttl = "1h", hard_timeout = "2sec")]
async fn unit(id: i64) -> Result<i64, cachekit::Error> {
    Ok(id)
}

#[cached(key = "d:<id>", ttl = "1h", hard_timeout)]
async fn no_value(id: i64) -> Result<i64, cachekit::Error> {
    Ok(id)
}

#[cached(key = "e:<id>", ttl = "1h", max_loads = 0)]
async fn no_loads(id: i64) -> i64 {
    id
}

#[cached(key = "f:<id>", ttl = "1h", max_loads = "8")]
async fn text(id: i64) -> i64 {
    id
}

fn main() {}
