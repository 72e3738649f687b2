//! A mistake in the body is a mistake in the body.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h")]
async fn find_user(id: i64) -> Result<i64, std::num::ParseIntError> {
    "seven"
}

#[cached(key = "order:<id>", ttl = "1h")]
async fn find_order(id: i64) -> Result<i64, std::num::ParseIntError> {
    if id == 0 {
        return Ok("none");
    }
    std::fs::read("orders")?;
    id.missing();
}

fn main() {}
