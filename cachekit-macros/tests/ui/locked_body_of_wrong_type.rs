//! A body that gives something else than the function promises.

use cachekit::locked;

#[locked(key = "order:<id>")]
async fn ship(id: i64) -> Result<String, cachekit::Error> {
    Ok(id)
}

fn main() {}
