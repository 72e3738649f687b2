//! A tag is a `Key`.

use cachekit::{cached, invalidates};

#[cached(key = "user:<id>", tags(id.to_string()), ttl = "1h")]
async fn find(id: i64) -> Option<i64> {
    Some(id)
}

#[invalidates(tag = id.to_string())]
async fn rename(id: i64) {
    let _ = id;
}

fn main() {}
