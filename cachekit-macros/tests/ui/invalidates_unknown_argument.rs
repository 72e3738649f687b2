//! A misspelt option.

use cachekit::invalidates;

#[invalidates("user:<id>", best_efort)]
async fn rename_user(id: i64) -> Result<i64, String> {
    Ok(id)
}

fn main() {}
