//! A return type that may be a `Result`.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", skip(T))]
async fn find_user<T: From<i64>>(id: i64) -> T {
    T::from(id)
}

fn main() {}
