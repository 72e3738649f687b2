//! Tags that a writer cannot name.

use cachekit::invalidates;

#[invalidates(tag)]
async fn alone(id: i64) {
    let _ = id;
}

#[invalidates(tag = "org:*")]
async fn starred(id: i64) {
    let _ = id;
}

#[invalidates(tags("org:<id>"))]
async fn as_in_cached(id: i64) {
    let _ = id;
}

fn main() {}
