//! Work in the background may run on another thread.

use std::rc::Rc;

use cachekit::cached;

#[cached(key = "user:<id>", ttl = "1h", stale_while_revalidate = "5m")]
async fn find(id: i64) -> i64 {
    let shared = Rc::new(id);
    later().await;
    *shared
}

async fn later() {}

fn main() {}
