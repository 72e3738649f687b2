//! A return type that may be a `Result`, through an associated type.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", skip(T))]
async fn find_user<T: std::ops::Neg>(id: i64, it: T) -> T::Output {
    let _ = id;
    -it
}

fn main() {}
