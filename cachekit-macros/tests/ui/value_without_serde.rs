//! A value that cannot be stored.

use cachekit::cached;

#[derive(Clone)]
struct NoSerde;

#[cached(key = "user:<id>", ttl = "1h")]
async fn find_user(id: i64) -> Result<Option<NoSerde>, std::io::Error> {
    let _ = id;
    Ok(None)
}

#[cached(key = "whole:<id>", ttl = "1h")]
async fn whole_user(id: i64) -> std::sync::Arc<NoSerde> {
    let _ = id;
    std::sync::Arc::new(NoSerde)
}

fn main() {}
