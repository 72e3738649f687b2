//! Between a write and its acknowledged invalidation this process reads past the cache.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

use cachekit::{Cache, Outcome, Status, with_status};
use cachekit_test_support::{Proxy, RedisServer, invalidation};
use cachekit_tests::{
    PATIENCE, POLICY, Polls, cache, first_poll, item, patient_builder, soon, until,
};

async fn read(cache: &Cache, database: &AtomicU64) -> (Result<u64, ()>, Status) {
    let load = async || Ok(database.load(Ordering::SeqCst));
    soon(with_status(cache.get_or_load(item(1), &POLICY, load))).await
}

async fn through(proxy: &Proxy) -> Cache {
    patient_builder(&proxy.url()).await.invalidate_wait(PATIENCE).build().unwrap()
}

#[tokio::test]
async fn reader_between_local_and_remote_invalidation() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (a, b) = (through(&proxy).await, cache(&server.url()).await);
    let database = AtomicU64::new(1);
    assert_eq!(read(&a, &database).await, (Ok(1), Status::Loaded));

    let unlinks = proxy.hold(invalidation);
    database.store(2, Ordering::SeqCst);
    let mut write = pin!(a.invalidate(item(1)));
    assert!(first_poll(write.as_mut()).is_pending());
    until("the command is on its way", || unlinks.waiting() == 1).await;
    assert_eq!(read(&a, &database).await, (Ok(2), Status::Bypassed), "it reads its own write");
    assert_eq!(read(&b, &database).await, (Ok(1), Status::Hit), "the write has not returned yet");
    unlinks.release(1);
    assert_eq!(soon(write).await, Outcome::Applied);
    assert_eq!(read(&a, &database).await, (Ok(2), Status::Loaded));
    assert_eq!(read(&b, &database).await, (Ok(2), Status::Hit));
}

#[tokio::test]
async fn two_writers_one_key_stay_dirty_until_both_applied() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = through(&proxy).await;
    let database = AtomicU64::new(1);
    assert_eq!(read(&cache, &database).await, (Ok(1), Status::Loaded));

    let unlinks = proxy.hold(invalidation);
    let mut first = pin!(cache.invalidate(item(1)));
    assert!(first_poll(first.as_mut()).is_pending());
    until("the first is on its way", || unlinks.waiting() == 1).await;
    // It came too late for that command: its write may not have been seen by then.
    let mut second = pin!(cache.invalidate(item(1)));
    assert!(first_poll(second.as_mut()).is_pending());
    unlinks.release(1);
    assert_eq!(soon(first).await, Outcome::Applied);
    until("the second is on its way", || unlinks.met() == 2).await;
    assert!(first_poll(second.as_mut()).is_pending());
    assert_eq!(read(&cache, &database).await, (Ok(1), Status::Bypassed));
    unlinks.release(1);
    assert_eq!(soon(second).await, Outcome::Applied);
    assert_eq!(read(&cache, &database).await, (Ok(1), Status::Loaded));
    assert_eq!(read(&cache, &database).await, (Ok(1), Status::Hit));
}

#[tokio::test]
async fn invalidation_dropped_after_its_first_poll_goes_through() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let database = AtomicU64::new(1);
    for polls in 1.. {
        assert_eq!(read(&cache, &database).await.0, Ok(1));
        let mut entries = cachekit_tests::Entries::of(&server);
        assert!(entries.is_filled("item:1"));
        let outcome = Polls::new(cache.invalidate(item(1)), polls).await;
        soon(until("the entry is gone", || entries.pttl("item:1") == -2)).await;
        if outcome.is_some() {
            assert!(polls > 1, "the walk has met no await");
            break;
        }
    }
}

#[tokio::test]
async fn invalidation_that_was_never_polled_does_nothing() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let database = AtomicU64::new(1);
    assert_eq!(read(&cache, &database).await, (Ok(1), Status::Loaded));
    drop(cache.invalidate(item(1)));
    assert_eq!(read(&cache, &database).await, (Ok(1), Status::Hit));
}
