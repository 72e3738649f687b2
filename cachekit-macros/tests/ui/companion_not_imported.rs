//! A read imported without its companion.

use cachekit::invalidates;

mod repo {
    #[cachekit::cached(key = "user:<id>", ttl = "1h")]
    pub async fn find_user(id: i64) -> Option<i64> {
        Some(id)
    }
}

use repo::find_user;

#[invalidates(find_user(id))]
async fn rename_user(id: i64) {
    find_user(id).await;
}

fn main() {}
