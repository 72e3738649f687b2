//! A method whose key leaves `self` out.

use cachekit::cached;

struct Repo {
    tenant: String,
}

impl Repo {
    #[cached(key = "user:<id>", ttl = "1h")]
    pub async fn find(&self, id: i64) -> String {
        format!("{}{id}", self.tenant)
    }
}

fn main() {}
