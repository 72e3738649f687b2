//! Nothing lives for ever.

use cachekit::cached;

#[cached(key = "user:<id>")]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
