//! Only the attribute is in error: neither the function, its callers nor its writers.

use cachekit::{cached, invalidates};

#[cached(key = "user:<id>", ttl = "30x")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

#[invalidates(find_user(id), on_err = "drop")]
async fn rename_user(id: i64) -> Option<i64> {
    find_user(id).await
}

pub async fn caller() -> Option<i64> {
    let _ = find_user_key(7);
    rename_user(7).await
}

fn main() {}
