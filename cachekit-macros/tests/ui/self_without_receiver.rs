//! A function has no `self`.

use cachekit::cached;

#[cached(key = "user:<self.tenant>:<id>", ttl = "1h")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
