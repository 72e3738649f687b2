//! An attribute without options.

use cachekit::cached;

#[cached()]
async fn find_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
