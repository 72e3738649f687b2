use std::collections::HashMap;

use cachekit::cached;

#[derive(Clone)]
struct NoSerde;

#[cached(key = "a:<ids[]>", ttl = "1h")]
async fn find(ids: &[i64]) -> Result<HashMap<i64, NoSerde>, ()> {
    Ok(ids.iter().map(|id| (*id, NoSerde)).collect())
}

fn main() {}
