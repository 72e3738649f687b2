//! A key is a `Key`.

use cachekit::invalidates;

#[invalidates(key = "user".to_owned())]
async fn rename_user(id: i64) -> Result<i64, String> {
    Ok(id)
}

fn main() {}
