//! A misspelt argument.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", skip(lagn))]
async fn find_user(id: i64, lang: &str) -> Option<i64> {
    let _ = lang;
    Some(id)
}

fn main() {}
