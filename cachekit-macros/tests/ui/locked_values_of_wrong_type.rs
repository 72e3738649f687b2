//! An owner that is no text, a floor that is no number, a cache that is none.

use cachekit::locked;

#[locked(key = "order:<id>", owner = id)]
async fn owner(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", above = "7")]
async fn floor(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", cache = id)]
async fn cache(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

fn main() {}
