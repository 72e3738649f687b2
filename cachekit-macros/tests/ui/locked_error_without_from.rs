//! An error that no error of a lock can become.

use cachekit::locked;

#[derive(Debug)]
struct Failed;

type Answer<T> = Result<T, Failed>;

#[locked(key = "order:<id>")]
async fn ship(id: i64) -> Answer<i64> {
    Ok(id)
}

fn main() {}
