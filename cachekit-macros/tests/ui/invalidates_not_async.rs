//! A function that does not await.

use cachekit::invalidates;

#[invalidates("user:<id>")]
fn rename_user(id: i64) -> Result<i64, String> {
    Ok(id)
}

fn main() {}
