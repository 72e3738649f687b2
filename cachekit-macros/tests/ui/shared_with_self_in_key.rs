//! A key that uses `self` and says it does not.

use cachekit::cached;

struct Repo {
    tenant: i64,
}

impl Repo {
    #[cached(key = "user:<self.tenant>", ttl = "1h", shared)]
    pub async fn find(&self) -> Option<i64> {
        Some(self.tenant)
    }
}

fn main() {}
