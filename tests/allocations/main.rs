//! A hit in this process allocates nothing but what the value's clone needs.

use std::{convert::Infallible, sync::Arc};

use allocation_counter::measure;
use cachekit::{Cache, LocalTier, cached};

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct User {
    id: i64,
    name: String,
}

#[cached(key = "shared:<id>", ttl = "1h")]
async fn shared(id: i64) -> Result<Arc<User>, Infallible> {
    Ok(Arc::new(User { id, name: "Ada".to_owned() }))
}

#[cached(key = "owned:<id>", ttl = "1h")]
async fn owned(id: i64) -> Option<User> {
    Some(User { id, name: "Ada".to_owned() })
}

#[cached(key = "long:<name>:<id>", ttl = "1h")]
async fn long(name: &str, id: i64) -> Arc<User> {
    Arc::new(User { id, name: name.to_owned() })
}

#[cached(key = "tagged:<id>", tags("all", "parity:<parity>"), skip(parity), ttl = "1h")]
async fn tagged(id: i64, parity: i64) -> Result<Arc<User>, Infallible> {
    let _ = parity;
    Ok(Arc::new(User { id, name: "Ada".to_owned() }))
}

/// Polls a future that is ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(out) => out,
        std::task::Poll::Pending => panic!("a hit is ready at once"),
    }
}

/// Allocations of a call that is a hit in this process: the ones before it load, and copy what they find.
async fn of_a_copy<T, F: Future<Output = T>>(cache: &Cache, call: impl Fn() -> F) -> u64 {
    let entries = cache.entry_count();
    while cache.entry_count() == entries {
        call().await;
    }
    measure(|| drop(now(call()))).count_total
}

/// Allocations of the second of two calls: the first one loads.
async fn of_a_hit<T, F: Future<Output = T>>(call: impl Fn() -> F) -> u64 {
    call().await;
    measure(|| drop(now(call()))).count_total
}

#[tokio::test]
async fn a_hit_allocates_nothing() {
    let cache = Cache::builder().build().unwrap();
    cache
        .scope(async {
            assert_eq!(of_a_hit(|| shared(7)).await, 0);
            assert_eq!(of_a_hit(|| shared(i64::MIN)).await, 0);
        })
        .await;
}

#[tokio::test]
async fn a_hit_under_tags_allocates_nothing() {
    let cache = Cache::builder().build().unwrap();
    assert_eq!(cache.scope(of_a_hit(|| tagged(7, 1))).await, 0);
}

#[tokio::test]
async fn a_hit_of_an_owned_value_allocates_its_clone() {
    let cache = Cache::builder().build().unwrap();
    // The user's name, and nothing of ours.
    assert_eq!(cache.scope(of_a_hit(|| owned(7))).await, 1);
}

#[tokio::test]
async fn a_hit_with_a_long_key_allocates_nothing() {
    let cache = Cache::builder().build().unwrap();
    for length in [50, 150, 5000] {
        let name = "é:%".repeat(length);
        assert_eq!(cache.scope(of_a_hit(|| long(&name, 7))).await, 0, "{length}");
    }
}

#[tokio::test]
async fn a_hit_in_a_tier_over_redis_allocates_nothing() {
    let server = cachekit_test_support::RedisServer::start();
    let cache = cachekit_tests::with_local(&server.url(), LocalTier::new()).await;
    cache
        .scope(async {
            assert_eq!(of_a_copy(&cache, || shared(7)).await, 0);
            assert_eq!(of_a_copy(&cache, || owned(7)).await, 1, "the user's name");
            let name = "é:%".repeat(50);
            assert_eq!(of_a_copy(&cache, || long(&name, 7)).await, 0);
        })
        .await;
}
