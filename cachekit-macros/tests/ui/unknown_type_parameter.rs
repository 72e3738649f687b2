//! A constant of what is no parameter.

use cachekit::cached;

#[cached(key = "user:<U::TABLE>:<id>", ttl = "1h", skip(T))]
async fn find_user<T>(id: i64, it: &T) -> Option<i64> {
    let _ = it;
    Some(id)
}

fn main() {}
