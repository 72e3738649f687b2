//! Options of a lock that are none.

use cachekit::locked;

#[locked(key = "order:<id>", leese = "10s")]
async fn misspelt(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", ttl = "10s")]
async fn of_a_read(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", lease = "10s", lease = "20s")]
async fn twice(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

fn main() {}
