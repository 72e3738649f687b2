//! A function without errors that old values could be answered for.

use cachekit::cached;

#[cached(key = "name:<id>", ttl = "1h", stale_if_error = "1h")]
async fn name(id: i64) -> Option<String> {
    Some(id.to_string())
}

fn main() {}
