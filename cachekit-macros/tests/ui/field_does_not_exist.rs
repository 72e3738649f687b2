//! A misspelt field.

use cachekit::cached;

struct User {
    id: i64,
}

#[cached(key = "user:<user.idd>", ttl = "1h")]
async fn find_user(user: &User) -> Option<i64> {
    Some(user.id)
}

fn main() {}
