//! A misspelt placeholder.

use cachekit::invalidates;

#[invalidates("user:<idd>")]
async fn rename_user(id: i64) -> Result<i64, String> {
    Ok(id)
}

fn main() {}
