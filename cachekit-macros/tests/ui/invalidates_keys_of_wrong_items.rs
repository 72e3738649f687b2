//! Keys are `Key`s.

use cachekit::invalidates;

#[invalidates(keys = [id])]
async fn rename_user(id: i64) -> Result<i64, String> {
    Ok(id)
}

fn main() {}
