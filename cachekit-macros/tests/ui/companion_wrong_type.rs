//! A read named with another type.

use cachekit::invalidates;

mod repo {
    #[cachekit::cached(key = "user:<id>", ttl = "1h")]
    pub async fn find_user(id: i64) -> Option<i64> {
        Some(id)
    }
}

#[invalidates(repo::find_user(name))]
async fn rename_user(name: &str) {
    let _ = name;
}

fn main() {}
