//! A const parameter picks the answer.

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h")]
async fn find_user<const N: usize>(id: i64) -> [i64; N] {
    [id; N]
}

fn main() {}
