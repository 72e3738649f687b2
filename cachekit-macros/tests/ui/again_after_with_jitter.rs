//! A delay has no jitter.

use cachekit::invalidates;

#[invalidates("user:<id>", again_after = "1s±1s")]
async fn rename_user(id: i64) -> Result<i64, String> {
    Ok(id)
}

fn main() {}
