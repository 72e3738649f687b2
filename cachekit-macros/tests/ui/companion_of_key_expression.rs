//! A companion is made of a template.

use cachekit::cached;

#[cached(key = cachekit::key!("user:<id>"), ttl = "1h", companion)]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
