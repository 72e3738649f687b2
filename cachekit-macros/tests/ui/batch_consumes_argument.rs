use std::collections::HashMap;

use cachekit::cached;

async fn log(_: String) {}

#[cached(key = "a:<tenant>:<ids[]>", ttl = "1h")]
async fn find(tenant: String, ids: Vec<i64>) -> HashMap<i64, i64> {
    log(tenant).await;
    ids.into_iter().map(|id| (id, id)).collect()
}

fn main() {}
