//! A key part that has no text.

use cachekit::cached;

struct NoSeg;

#[cached(key = "user:<id>", ttl = "1h")]
async fn find_user(id: NoSeg) -> Option<i64> {
    let _ = id;
    None
}

fn main() {}
