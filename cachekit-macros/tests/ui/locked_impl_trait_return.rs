//! A return type that has no name.

use cachekit::locked;

#[locked(key = "order:<id>")]
async fn ship(id: i64) -> Result<impl Send, cachekit::Error> {
    Ok(id)
}

fn main() {}
