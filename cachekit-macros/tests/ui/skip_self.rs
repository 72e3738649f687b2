//! `self` is left out by another word.

use cachekit::cached;

struct Repo;

impl Repo {
    #[cached(key = "user:<id>", ttl = "1h", skip(self))]
    pub async fn find(&self, id: i64) -> Option<i64> {
        Some(id)
    }
}

fn main() {}
