//! `again_after` invalidates once more, for readers of a replica that lags.

use std::sync::atomic::{AtomicU64, Ordering};

use cachekit::{Cache, Outcome, Peek, Status, cached, invalidates, key, with_receipt, with_status};
use cachekit_test_support::{Proxy, RedisServer, invalidation};
use cachekit_tests::{Entries, cache, soon, until, until_async};

#[cached(key = "user:<id>", ttl = "1m", cache = cache)]
async fn find(cache: &Cache, replica: &AtomicU64, id: u64) -> Result<u64, ()> {
    Ok(replica.load(Ordering::SeqCst))
}

#[invalidates("user:<id>", again_after = "200ms", cache = cache)]
async fn rename(cache: &Cache, id: u64) -> Result<(), ()> {
    Ok(())
}

#[tokio::test]
async fn again_after_removes_what_a_lagging_replica_brought_back() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let replica = AtomicU64::new(1);
    let (renamed, receipt) = with_receipt(rename(&cache, 7)).await;
    assert_eq!((renamed, receipt.outcome()), (Ok(()), Outcome::Applied));
    // The write is done, and the replica has not heard of it.
    let read = with_status(find(&cache, &replica, 7)).await;
    assert_eq!(read, (Ok(1), Status::Loaded));
    replica.store(2, Ordering::SeqCst);
    let mut entries = Entries::of(&server);
    soon(until("it is invalidated again", || entries.pttl("user:7") == -2)).await;
    until_async("the new value is kept", async || {
        with_status(find(&cache, &replica, 7)).await == (Ok(2), Status::Hit)
    })
    .await;
    assert_eq!(cache.peek::<u64>(&key!("user:7")).await, Peek::Hit(2));
}

#[tokio::test]
async fn shutdown_waits_for_the_second_invalidation() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = cache(&proxy.url()).await;
    rename(&cache, 7).await.unwrap();
    assert_eq!(proxy.count(invalidation), 1);
    soon(cache.shutdown()).await.unwrap();
    assert_eq!(proxy.count(invalidation), 2);
}
