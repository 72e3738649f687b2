//! A private method has a companion only when asked.

use cachekit::{cached, invalidates};

struct Repo;

impl Repo {
    #[cached(key = "user:<id>", ttl = "1h", shared)]
    async fn find(&self, id: i64) -> Option<i64> {
        Some(id)
    }

    #[invalidates(self.find(id))]
    pub async fn rename(&self, id: i64) {
        self.find(id).await;
    }
}

fn main() {}
