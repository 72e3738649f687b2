//! A read that does not exist.

use cachekit::invalidates;

#[invalidates(find_user(id))]
async fn rename_user(id: i64) -> Result<i64, String> {
    Ok(id)
}

fn main() {}
