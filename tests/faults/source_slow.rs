//! The source takes its time, and callers of warm keys do not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cachekit::{Status, cached, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{cache, until_async};

static SLOWNESS_MS: AtomicU64 = AtomicU64::new(0);
static LOADS: AtomicU64 = AtomicU64::new(0);

#[cached(key = "slow:<id>", ttl = "1s", stale_if_error = "1h", soft_timeout = "50ms")]
async fn slow(id: u64) -> u64 {
    let loads = LOADS.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(SLOWNESS_MS.load(Ordering::SeqCst))).await;
    id * 1000 + loads / 20
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_at_two_seconds_does_not_hold_up_callers_of_warm_keys() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let keys = 0..20;
    for id in keys.clone() {
        assert_eq!(cache.scope(slow(id)).await, id * 1000);
    }
    SLOWNESS_MS.store(2_000, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let mut took = Vec::new();
    for id in keys.clone() {
        let began = Instant::now();
        let (out, status) = with_status(cache.scope(slow(id))).await;
        took.push(began.elapsed());
        assert_eq!((out, status), (id * 1000, Status::Stale));
    }
    took.sort();
    tell(format_args!("p50 {:?}, slowest {:?}", took[took.len() / 2], took[took.len() - 1]));
    assert!(took[0] >= Duration::from_millis(50), "it is waited for");
    // On a quiet machine all are under 60 ms.
    assert!(took[took.len() / 2] < Duration::from_millis(150), "{took:?}");
    assert!(took[took.len() - 1] < Duration::from_millis(500), "{took:?}");
    SLOWNESS_MS.store(0, Ordering::SeqCst);
    for id in keys {
        // The load that went on has filled: one for each key.
        until_async("the load that went on has filled", async || {
            cache.scope(slow(id)).await == id * 1000 + 1
        })
        .await;
    }
}

#[expect(clippy::print_stdout, reason = "the harness keeps it until somebody wants it")]
fn tell(line: impl std::fmt::Display) {
    println!("{line}");
}
