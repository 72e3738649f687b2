//! A companion called with another type.

mod repo {
    #[cachekit::cached(key = "user:<id>", ttl = "1h")]
    pub async fn find_user(id: i64) -> Option<i64> {
        Some(id)
    }
}

pub fn key() -> cachekit::Key {
    repo::find_user_key("seven")
}

fn main() {}
