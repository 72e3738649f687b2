//! Collections of data are data.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h")]
async fn find_user(id: i64, tags: Vec<String>, page: Option<u32>, (from, to): (i64, i64)) -> Option<i64> {
    let _ = (tags, page, from, to);
    Some(id)
}

fn main() {}
