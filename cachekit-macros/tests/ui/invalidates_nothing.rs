//! A writer that says nothing.

use cachekit::invalidates;

#[invalidates()]
async fn rename_user(id: i64) -> Result<i64, String> {
    Ok(id)
}

fn main() {}
