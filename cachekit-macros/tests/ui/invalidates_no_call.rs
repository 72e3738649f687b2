//! Neither a call nor a template.

use cachekit::invalidates;

#[invalidates(id + 1)]
async fn rename_user(id: i64) -> Result<i64, String> {
    Ok(id)
}

fn main() {}
