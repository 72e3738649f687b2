//! `ret` has a meaning of its own.

use cachekit::invalidates;

#[invalidates("user:<ret>")]
async fn rename_user(ret: i64) -> Option<i64> {
    Some(ret)
}

fn main() {}
