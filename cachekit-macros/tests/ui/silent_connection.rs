//! A connection that cannot say whether it is in a transaction.

use cachekit::cached;

struct OtherConnection;

#[cached(key = "user:<id>", ttl = "1h")]
async fn find_user(db: &mut OtherConnection, id: i64) -> Option<i64> {
    let _ = db;
    Some(id)
}

fn main() {}
