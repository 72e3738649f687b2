//! A handle cannot release the lock, and there is none without a name.

use cachekit::locked;

#[locked(key = "order:<id>", guard = lock)]
async fn releases(id: i64) -> Result<(), cachekit::Error> {
    lock.release().await
}

#[locked(key = "order:<id>")]
async fn nameless(id: i64) -> Result<u64, cachekit::Error> {
    Ok(guard.fencing_token())
}

fn main() {}
