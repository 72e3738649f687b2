//! A method that a trait only declares.

use cachekit::cached;

trait Users {
    #[cached(key = "user:<id>", ttl = "1h", shared)]
    async fn find(&self, id: i64) -> Option<i64>;
}

fn main() {}
