//! The body takes what a later key needs.

use cachekit::invalidates;

mod repo {
    #[cachekit::cached(key = "user:<tenant>:<id>", ttl = "1h")]
    pub async fn find_user(tenant: &str, id: i64) -> Option<i64> {
        let _ = tenant;
        Some(id)
    }
}

#[invalidates(repo::find_user(tenant, ret))]
async fn insert_user(tenant: String) -> Option<i64> {
    drop(tenant);
    Some(7)
}

fn main() {}
