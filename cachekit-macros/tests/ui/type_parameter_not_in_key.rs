//! A type parameter picks the answer.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h")]
async fn find_user<T: cachekit::Value + Default>(id: i64) -> Option<T> {
    (id > 0).then(T::default)
}

fn main() {}
