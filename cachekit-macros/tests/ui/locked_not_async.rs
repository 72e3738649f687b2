//! Functions that do not await, or have no body.

use cachekit::locked;

#[locked(key = "order:<id>")]
fn ship(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

trait Shop {
    #[locked(key = "order:<id>")]
    async fn ship(&self, id: i64) -> Result<(), cachekit::Error>;
}

fn main() {}
