//! A function of a trait without `self` looks like any other.

use cachekit::cached;

trait Users {
    fn find(id: i64) -> impl Future<Output = Option<i64>>;
}

struct Repo;

impl Users for Repo {
    #[cached(key = "user:<id>", ttl = "1h")]
    async fn find(id: i64) -> Option<i64> {
        Some(id)
    }
}

fn main() {}
