//! `on_err` knows one word.

use cachekit::invalidates;

#[invalidates("user:<id>", on_err = "drop")]
async fn rename_user(id: i64) -> Result<i64, String> {
    Ok(id)
}

fn main() {}
