//! `ret` needs a `Result` or an `Option`, by whatever name.

use cachekit::invalidates;

type Id = i64;

#[invalidates("user:<ret>")]
async fn rename_user(id: i64) -> Id {
    id
}

fn main() {}
