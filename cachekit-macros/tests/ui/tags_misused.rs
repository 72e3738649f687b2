//! Tags that are none, too many, or not keys.

use cachekit::cached;

#[cached(key = "a:<id>", tags, ttl = "1h")]
async fn alone(id: i64) -> Option<i64> {
    Some(id)
}

#[cached(key = "b:<id>", tags(), ttl = "1h")]
async fn empty(id: i64) -> Option<i64> {
    Some(id)
}

#[cached(key = "c:<id>", tags = "org:<id>", ttl = "1h")]
async fn by_value(id: i64) -> Option<i64> {
    Some(id)
}

#[cached(
    key = "d:<id>",
    tags("1:<id>", "2:<id>", "3:<id>", "4:<id>", "5:<id>", "6:<id>", "7:<id>", "8:<id>", "9:<id>"),
    ttl = "1h"
)]
async fn too_many(id: i64) -> Option<i64> {
    Some(id)
}

#[cached(key = "e:<id>", tags("~t:<id>"), ttl = "1h")]
async fn reserved(id: i64) -> Option<i64> {
    Some(id)
}

#[cached(key = "f:<id>", tags("org:<ogr>"), ttl = "1h")]
async fn misspelt(id: i64, _org: i64) -> Option<i64> {
    Some(id)
}

#[cached(key = "g:<id>", tags("one:<id>"), tags("two:<id>"), ttl = "1h")]
async fn twice(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
