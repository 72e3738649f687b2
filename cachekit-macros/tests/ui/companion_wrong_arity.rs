//! A companion called with too much.

use cachekit::invalidates;

mod repo {
    #[cachekit::cached(key = "user:<id>", ttl = "1h")]
    pub async fn find_user(id: i64) -> Option<i64> {
        Some(id)
    }
}

#[invalidates(repo::find_user(id, name))]
async fn rename_user(id: i64, name: &str) {
    let _ = (id, name);
}

fn main() {}
