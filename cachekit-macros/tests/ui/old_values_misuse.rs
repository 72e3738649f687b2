//! Options about old values that have none, or that contradict each other.

use cachekit::cached;

#[cached(key = "a:<id>", ttl = "1h", soft_timeout = "50ms")]
async fn no_window(id: i64) -> Result<i64, cachekit::Error> {
    Ok(id)
}

#[cached(key = "b:<id>", ttl = "1h", stale_if_error = "1h", soft_timeout = "2s", hard_timeout = "2s")]
async fn soft_is_hard(id: i64) -> Result<i64, cachekit::Error> {
    Ok(id)
}

#[cached(key = "c:<id>", ttl = "1h", even_invalidated)]
async fn invalidated_alone(id: i64) -> Result<i64, cachekit::Error> {
    Ok(id)
}

#[cached(key = "d:<id>", ttl = "1h", retry_after = "1s")]
async fn retry_alone(id: i64) -> Result<i64, cachekit::Error> {
    Ok(id)
}

#[cached(key = "e:<id>", ttl = "1h", stale_if_error = "1hour")]
async fn unit(id: i64) -> Result<i64, cachekit::Error> {
    Ok(id)
}

#[cached(key = "f:<id>", ttl = "1h", stale_if_error = "0s", even_invalidated = true)]
async fn nothing(id: i64) -> Result<i64, cachekit::Error> {
    Ok(id)
}

fn main() {}
