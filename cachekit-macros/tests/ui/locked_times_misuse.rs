//! Times that are none.

use cachekit::locked;

#[locked(key = "order:<id>", lease = "0s")]
async fn nothing(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", wait = "0ms")]
async fn no_wait(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", lease = "10sec")]
async fn unit(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", lease = "10s±1s")]
async fn jitter(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", lease = 10)]
async fn number(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", wait = true)]
async fn flag(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", wait)]
async fn no_value(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", lease = "10s", max_hold = "5s")]
async fn shorter_than_the_lease(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", max_hold = "5s")]
async fn shorter_than_the_lease_by_default(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", lease = "50ms")]
async fn too_short(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", lease = "2d")]
async fn too_long(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

fn main() {}
