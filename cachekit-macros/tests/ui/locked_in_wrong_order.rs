//! Attributes that would do their part when the lock is released, or take it for nothing.

use cachekit::{cached, invalidates, locked, writes_through};

#[locked(key = "order:<id>")]
#[invalidates("order:<id>")]
async fn late_invalidation(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>")]
#[writes_through(key = "order:<id>", ttl = "1h")]
async fn late_value(id: i64) -> Result<i64, cachekit::Error> {
    Ok(id)
}

#[cached(key = "order:<id>", ttl = "1h")]
#[cachekit::locked(key = "order:<id>")]
async fn lock_for_a_hit(id: i64) -> Result<i64, cachekit::Error> {
    Ok(id)
}

fn main() {}
