//! What treats one key's old value, or hangs on tags, is nothing for a batch.

use std::collections::HashMap;

use cachekit::cached;

#[cached(
    key = "user:<ids[]>",
    ttl = |user| std::time::Duration::from_secs(*user as u64),
    tags("users"),
    soft_timeout = "50ms",
    stale_if_error = "1h"
)]
async fn find_users(ids: &[i64]) -> Result<HashMap<i64, i64>, std::io::Error> {
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

fn main() {}
