//! The success value has no such field.

use cachekit::invalidates;

#[invalidates("user:<ret.id>")]
async fn rename_user(id: i64) -> Result<(), String> {
    let _ = id;
    Ok(())
}

fn main() {}
