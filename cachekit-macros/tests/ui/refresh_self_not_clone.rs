//! A method that refreshes copies `self`.

use cachekit::cached;

struct Repo {
    tenant: String,
}

impl Repo {
    #[cached(key = "user:<self.tenant>:<id>", ttl = "1h", refresh_ahead)]
    pub async fn find(&self, id: i64) -> i64 {
        id
    }
}

fn main() {}
