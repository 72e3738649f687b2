//! `on_err` needs a `Result`.

use cachekit::invalidates;

#[invalidates("user:<id>", on_err = "keep")]
async fn rename_user(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
