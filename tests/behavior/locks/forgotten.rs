//! A guard that nobody drops: when its lock is lost, callers of the same process are served as those of others are.

use std::time::{Duration, Instant};

use cachekit::{Cache, ErrorKind, Lock};
use cachekit_test_support::RedisServer;
use cachekit_tests::{cache, soon, until};

use super::{Hand, LONG, kind, name, order};

const MOST: Duration = Duration::from_millis(300);

fn short(cache: &Cache) -> Lock {
    cache.lock(order(1)).lease(Duration::from_millis(200)).wait(LONG).max_hold(MOST)
}

/// In this process alone, and over Redis.
async fn both(server: &RedisServer) -> [Cache; 2] {
    [Cache::builder().build().unwrap(), cache(&server.url()).await]
}

#[tokio::test]
async fn a_forgotten_guard_is_waited_for_no_longer_than_it_may_be_held() {
    let server = RedisServer::start();
    for cache in both(&server).await {
        let began = Instant::now();
        std::mem::forget(short(&cache).acquire().await.unwrap());
        // Each waits behind the one before, which forgets its guard too.
        let waiting = (0..3).map(|_| {
            let lock = short(&cache);
            tokio::spawn(async move { std::mem::forget(lock.acquire().await.unwrap()) })
        });
        for waiting in waiting.collect::<Vec<_>>() {
            tokio::time::timeout(3 * MOST + LONG / 20, waiting).await.unwrap().unwrap();
        }
        assert!(began.elapsed() >= 3 * MOST, "one after the other: {:?}", began.elapsed());
    }
}

/// Nobody waits, and so nobody watches the clock.
#[tokio::test]
async fn a_forgotten_guard_that_is_over_is_not_busy() {
    let cache = Cache::builder().build().unwrap();
    let guard = short(&cache).acquire().await.unwrap();
    let handle = guard.handle();
    std::mem::forget(guard);
    assert_eq!(kind(short(&cache).try_acquire().await), Some(ErrorKind::Busy));
    until("its time is over", || handle.held_for() >= MOST).await;
    let next = short(&cache).try_acquire().await.unwrap();
    assert_eq!(kind(handle.check()), Some(ErrorKind::LockLost));
    assert!(next.check().is_ok());
}

#[tokio::test]
async fn a_lost_lock_can_be_had_at_once_though_its_guard_still_lives() {
    let server = RedisServer::start();
    let (cache, mut hand) = (cache(&server.url()).await, Hand::of(&server));
    let lock = || cache.lock(order(1)).lease(Duration::from_millis(900)).wait(LONG);
    let old = lock().acquire().await.unwrap();
    hand.call(&["DEL", &name("lock", 1)]);
    assert_eq!(soon(old.lost()).await.kind(), ErrorKind::LockLost);
    let new = lock().try_acquire().await.unwrap();
    // The end of the old one is none of the new one's business.
    let waiting = tokio::spawn(lock().acquire());
    assert_eq!(kind(old.release().await), Some(ErrorKind::LockLost));
    assert_eq!(kind(lock().try_acquire().await), Some(ErrorKind::Busy));
    assert!(!waiting.is_finished() && new.check().is_ok() && hand.is_locked(1));
    new.release().await.unwrap();
    soon(waiting).await.unwrap().unwrap().release().await.unwrap();
}

#[tokio::test]
async fn who_waits_in_this_process_is_served_when_the_holder_loses_the_lock() {
    let server = RedisServer::start();
    let (cache, mut hand) = (cache(&server.url()).await, Hand::of(&server));
    let lock = || cache.lock(order(1)).lease(Duration::from_millis(900)).wait(LONG);
    let old = lock().acquire().await.unwrap();
    let waiting = tokio::spawn(lock().acquire());
    tokio::task::yield_now().await;
    hand.call(&["DEL", &name("lock", 1)]);
    let new = soon(waiting).await.unwrap().unwrap();
    assert!(old.check().is_err() && new.check().is_ok());
    drop(old);
    soon(cache.shutdown()).await.unwrap();
    assert!(hand.is_locked(1), "the dropped guard releases its own lock only");
}

#[tokio::test]
async fn a_hold_that_outlives_its_limit_in_this_process_ends_the_work_and_lets_the_next_begin() {
    let cache = Cache::builder().build().unwrap();
    let guard = short(&cache).acquire().await.unwrap();
    let next = tokio::spawn(short(&cache).acquire());
    let error = soon(guard.run(std::future::pending::<()>())).await.unwrap_err();
    assert!(error.message().contains("max_hold"), "{error}");
    let next = soon(next).await.unwrap().unwrap();
    // What was left of the old one gives nobody the new one's turn.
    guard.leave_to_expire();
    assert_eq!(kind(short(&cache).try_acquire().await), Some(ErrorKind::Busy));
    next.release().await.unwrap();
    assert!(short(&cache).try_acquire().await.is_ok());
}
