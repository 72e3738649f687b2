//! A ttl that asks the value.

use std::time::Duration;

use cachekit::{cached, writes_through};

#[cached(key = "a:<id>", ttl = || Duration::from_secs(1))]
async fn no_value(id: i64) -> i64 {
    id
}

#[cached(key = "b:<id>", ttl = |value| Duration::from_secs(1), negative_ttl = |none| Duration::from_secs(1))]
async fn absence(id: i64) -> Option<i64> {
    Some(id)
}

#[writes_through(key = "c:<id>", ttl = |value| Duration::from_secs(1))]
async fn written(id: i64) -> Option<i64> {
    Some(id)
}

#[cached(key = "d:<id>", ttl = |value| "30m")]
async fn text(id: i64) -> i64 {
    id
}

fn main() {}
