//! An attribute on something else.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h")]
struct User {
    id: i64,
}

/// The item is still there.
pub fn id(user: &User) -> i64 {
    user.id
}

fn main() {}
