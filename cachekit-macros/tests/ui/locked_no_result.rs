//! Functions that cannot say that there is no lock.

use cachekit::locked;

#[locked(key = "order:<id>")]
async fn nothing(id: i64) {}

#[locked(key = "order:<id>")]
async fn plain(id: i64) -> i64 {
    id
}

#[locked(key = "order:<id>")]
async fn absent(id: i64) -> Option<i64> {
    Some(id)
}

#[locked(key = "order:<id>")]
async fn any<T: Default>(id: i64) -> T {
    T::default()
}

fn main() {}
