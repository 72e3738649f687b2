//! An expression that leaves an argument out.

use cachekit::cached;

#[cached(key = cachekit::key!("user:<id>"), ttl = "1h")]
async fn find_user(id: i64, lang: &str) -> Option<i64> {
    let _ = lang;
    Some(id)
}

fn main() {}
