//! A cache of its own for a test that another attribute runs.

use std::sync::atomic::{AtomicU32, Ordering};

use cachekit::{cached, isolated};

#[cached(key = "isolated", ttl = "1h", skip(runs))]
async fn read(runs: &AtomicU32) -> u32 {
    runs.fetch_add(1, Ordering::Relaxed)
}

#[sqlx::test]
#[isolated]
async fn isolated_under_sqlx_test() {
    let runs = AtomicU32::new(0);
    read(&runs).await;
    read(&runs).await;
    assert_eq!(runs.into_inner(), 1);
}
