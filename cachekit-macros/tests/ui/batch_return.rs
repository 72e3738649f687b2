use std::collections::HashMap;

use cachekit::cached;

#[cached(key = "a:<ids[]>", ttl = "1h")]
async fn rows(ids: &[i64]) -> Result<Vec<String>, ()> {
    Ok(ids.iter().map(i64::to_string).collect())
}

#[cached(key = "b:<ids[]>", ttl = "1h")]
async fn one(ids: &[i64]) -> Result<Option<String>, ()> {
    Ok(ids.first().map(i64::to_string))
}

#[cached(key = "c:<ids[]>", ttl = "1h")]
async fn by_another_id(ids: &[i64]) -> HashMap<String, i64> {
    ids.iter().map(|id| (id.to_string(), *id)).collect()
}

fn main() {}
