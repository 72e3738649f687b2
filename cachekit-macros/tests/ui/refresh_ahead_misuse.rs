//! How long before its end an entry is refreshed, and how long after it answered.

use cachekit::cached;

#[cached(key = "a:<id>", ttl = "1h", refresh_ahead = "80%")]
async fn large_share(id: i64) -> i64 {
    id
}

#[cached(key = "b:<id>", ttl = "1h", refresh_ahead = "0%")]
async fn no_share(id: i64) -> i64 {
    id
}

#[cached(key = "c:<id>", ttl = "1h", refresh_ahead = "40m")]
async fn large_margin(id: i64) -> i64 {
    id
}

#[cached(key = "d:<id>", ttl = "1h", refresh_ahead = "5m±1m")]
async fn jitter(id: i64) -> i64 {
    id
}

#[cached(key = "e:<id>", ttl = "1h", refresh_ahead = 20)]
async fn number(id: i64) -> i64 {
    id
}

#[cached(key = "f:<id>", ttl = "1h", stale_while_revalidate)]
async fn no_window(id: i64) -> i64 {
    id
}

#[cached(key = "g:<id>", ttl = "1h", stale_while_revalidate = "10")]
async fn no_unit(id: i64) -> i64 {
    id
}

#[cached(key = "h:<id>", ttl = "1h", stale_while_revalidate = "5m", stale_while_revalidate = "6m")]
async fn twice(id: i64) -> i64 {
    id
}

fn main() {}
