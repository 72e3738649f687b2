//! `ret` needs a success value.

use cachekit::invalidates;

#[invalidates("user:<ret>")]
async fn rename_user(id: i64) {
    let _ = id;
}

fn main() {}
