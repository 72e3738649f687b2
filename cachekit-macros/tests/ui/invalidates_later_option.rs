//! An option that is not there yet.

use cachekit::invalidates;

#[invalidates("user:<id>", tags = ["users"])]
async fn rename_user(id: i64) -> Result<i64, String> {
    Ok(id)
}

fn main() {}
