//! Keys that are none, or none that can be locked.

use cachekit::locked;

#[locked]
async fn nothing(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(lease = "10s", wait = "2s")]
async fn no_key(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked("order:<id>", wait = "2s")]
async fn no_name(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key, wait = "2s")]
async fn no_value(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<idd>")]
async fn misspelt(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "<id>")]
async fn no_literal(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<ret>")]
async fn of_the_result(id: i64) -> Result<i64, cachekit::Error> {
    Ok(id)
}

#[locked(key = "order:<ids[]>")]
async fn each(ids: &[i64]) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<self.tenant>")]
async fn no_self(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", key = "order:<id>")]
async fn twice(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

fn main() {}
