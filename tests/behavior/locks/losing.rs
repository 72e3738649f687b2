//! A lock may be lost in many ways: its holder learns of each before another can have it.

use std::time::Duration;

use cachekit::{ErrorKind, LockGuard};
use cachekit_test_support::{Proxy, RedisServer};
use cachekit_tests::{cache, soon};

use super::{Hand, name, order};

const LEASE: Duration = Duration::from_millis(900);

/// Holds a lock over a proxy, takes it away, and sees that all who rely on it are told before the lease is over.
async fn lose<T>(how: impl FnOnce(&RedisServer, &Proxy) -> T) {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = cache(&proxy.url()).await;
    let guard = cache.lock(order(1)).lease(LEASE).acquire().await.unwrap();
    let renewed = tokio::time::timeout(LEASE * 2, guard.lost()).await;
    assert!(renewed.is_err(), "it was renewed till now: {renewed:?}");
    let _lasting = how(&server, &proxy);
    told(&guard, LEASE).await;
    server.cont();
}

/// The work is stopped, whoever waits for the loss is told, and a look at the clock says so.
async fn told(guard: &LockGuard, within: Duration) {
    let began = std::time::Instant::now();
    let handle = guard.handle();
    let waiting = tokio::spawn(async move { handle.lost().await });
    let stopped = soon(guard.run(std::future::pending::<()>())).await;
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::LockLost);
    let lost = soon(waiting).await.unwrap();
    assert!(began.elapsed() < within, "told of {lost} after {:?}", began.elapsed());
    assert_eq!(guard.check().unwrap_err().kind(), ErrorKind::LockLost);
    let late = guard.run(async { panic!("work begun without the lock") }).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::LockLost);
}

#[tokio::test]
async fn redis_that_is_stopped_loses_the_lock() {
    lose(|server, _| server.stop_with_sigstop()).await;
}

#[tokio::test]
async fn a_link_that_is_cut_loses_the_lock() {
    lose(|_, proxy| {
        proxy.refuse(true);
        proxy.cut();
    })
    .await;
}

#[tokio::test]
async fn a_link_that_falls_silent_loses_the_lock() {
    lose(|_, proxy| proxy.hold(|_| true)).await;
}

#[tokio::test]
async fn a_key_deleted_by_hand_loses_the_lock() {
    lose(|server, _| Hand::of(server).call(&["DEL", &name("lock", 1)])).await;
}

#[tokio::test]
async fn a_key_taken_over_by_hand_loses_the_lock_and_stays() {
    for other in [&["SET"][..], &["RPUSH"]] {
        lose(|server, _| {
            let mut hand = Hand::of(server);
            hand.call(&["DEL", &name("lock", 1)]);
            hand.call(&[other[0], &name("lock", 1), "another's"]);
        })
        .await;
    }
}

#[tokio::test]
async fn lost_data_loses_the_lock() {
    lose(|server, _| Hand::of(server).call(&["FLUSHALL"])).await;
}

#[tokio::test]
async fn a_key_taken_over_is_not_touched_by_the_old_holder() {
    let server = RedisServer::start();
    let (cache, mut hand) = (cache(&server.url()).await, Hand::of(&server));
    let guard = cache.lock(order(1)).lease(LEASE).acquire().await.unwrap();
    hand.call(&["SET", &name("lock", 1), "another's"]);
    told(&guard, LEASE).await;
    drop(guard);
    cache.shutdown().await.unwrap();
    assert!(hand.is_locked(1));
}

/// Nothing renews while the only thread is blocked, and nothing could tell: but the clock does.
#[tokio::test]
async fn a_blocked_runtime_finds_the_lock_lost_by_the_clock_alone() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let guard = cache.lock(order(1)).lease(LEASE).acquire().await.unwrap();
    let handle = guard.handle();
    let checked = guard.run(async {
        assert!(handle.check().is_ok());
        std::thread::sleep(LEASE);
        handle.check()
    });
    assert_eq!(checked.await.unwrap().unwrap_err().kind(), ErrorKind::LockLost);
    let late = guard.release().await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::LockLost, "others may have been at work");
}

#[tokio::test]
async fn a_short_stall_costs_no_lock() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let guard = cache.lock(order(1)).lease(Duration::from_secs(4)).acquire().await.unwrap();
    server.stop_with_sigstop();
    let lost = tokio::time::timeout(Duration::from_millis(1500), guard.lost()).await;
    server.cont();
    assert!(lost.is_err());
    let lost = tokio::time::timeout(Duration::from_secs(4), guard.lost()).await;
    assert!(lost.is_err(), "renewed over a new connection");
    guard.release().await.unwrap();
}
