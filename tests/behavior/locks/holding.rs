//! Taking, renewing and releasing a lock, and what each of them says when it cannot.

use std::time::{Duration, Instant};

use cachekit::ErrorKind;
use cachekit_test_support::{Proxy, RedisServer, Reply};
use cachekit_tests::{cache, soon, until, until_async};

use super::{Hand, LONG, kind, lock, name, order, take, two};

#[tokio::test]
async fn a_lock_is_busy_in_every_process_until_it_is_released() {
    let server = RedisServer::start();
    let (own, other) = two(&server).await;
    let guard = lock(&own).owner("request 7").acquire().await.unwrap();
    assert!(guard.check().is_ok());
    for cache in [&own, &other] {
        assert_eq!(kind(lock(cache).try_acquire().await), Some(ErrorKind::Busy));
        let short = lock(cache).wait(Duration::from_millis(30)).acquire().await;
        assert_eq!(kind(short), Some(ErrorKind::WaitExhausted));
        assert!(cache.lock(order(2)).try_acquire().await.is_ok(), "another key is another lock");
    }
    let shown = Hand::of(&server).call(&["GET", &name("lock", 1)]).bytes().unwrap();
    assert!(shown.ends_with(b" request 7"), "who looks into Redis sees the owner");
    guard.release().await.unwrap();
    take(&other).await.release().await.unwrap();
    assert!(own.mean_lock_hold("order:<id>").is_some());
}

#[tokio::test]
async fn fencing_tokens_grow_over_processes_and_over_lost_data() {
    let server = RedisServer::start();
    let (own, other) = two(&server).await;
    let mut latest = 0;
    for cache in [&own, &other, &own, &other] {
        let guard = take(cache).await;
        assert!(guard.fencing_token() > latest);
        latest = guard.fencing_token();
        guard.release().await.unwrap();
    }
    Hand::of(&server).call(&["FLUSHALL"]);
    let guard = take(&own).await;
    assert!(guard.fencing_token() > latest, "the clock of the server goes on");
    guard.release().await.unwrap();
}

#[tokio::test]
async fn the_database_s_floor_is_exceeded_whatever_redis_has_counted() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    // Above any clock of a server.
    let floor = 1 << 51;
    for above in 1..4 {
        let guard = lock(&cache).above(floor).acquire().await.unwrap();
        assert_eq!(guard.fencing_token(), floor + above);
        guard.release().await.unwrap();
    }
    Hand::of(&server).call(&["FLUSHALL"]);
    let guard = lock(&cache).above(floor + 3).acquire().await.unwrap();
    assert_eq!(guard.fencing_token(), floor + 4);
}

#[tokio::test]
async fn a_count_is_forgotten_only_where_the_clock_has_passed_it() {
    let server = RedisServer::start();
    let (cache, mut hand) = (cache(&server.url()).await, Hand::of(&server));
    let week = 7 * 24 * 60 * 60 * 1000;
    take(&cache).await.release().await.unwrap();
    let left = hand.count_left_ms();
    assert!(left > week - 60_000 && left <= week, "{left}");

    hand.call(&["PEXPIRE", &name("fence", 1), "60000"]);
    for _ in 0..64 {
        take(&cache).await.release().await.unwrap();
    }
    assert!(hand.count_left_ms() > 60_000, "its week begins anew");

    let floor = 1 << 51;
    for above in 1..66 {
        let guard = lock(&cache).above(floor).acquire().await.unwrap();
        assert_eq!(guard.fencing_token(), floor + above);
        guard.release().await.unwrap();
        assert_eq!(hand.count_left_ms(), -1);
    }
    hand.call(&["PEXPIRE", &name("fence", 1), "60000"]);
    for _ in 0..64 {
        take(&cache).await.release().await.unwrap();
    }
    assert_eq!(hand.count_left_ms(), -1, "whoever set an end to it");
}

#[tokio::test]
async fn a_release_removes_its_own_lock_only() {
    let server = RedisServer::start();
    let (cache, mut hand) = (cache(&server.url()).await, Hand::of(&server));
    let guard = take(&cache).await;
    hand.call(&["SET", &name("lock", 1), "another's"]);
    assert_eq!(kind(guard.release().await), Some(ErrorKind::LockLost));
    assert!(hand.is_locked(1));
    hand.call(&["DEL", &name("lock", 1)]);
    let guard = take(&cache).await;
    hand.call(&["DEL", &name("lock", 1)]);
    assert_eq!(kind(guard.release().await), Some(ErrorKind::LockLost));
}

#[tokio::test]
async fn a_dropped_guard_is_released_and_one_left_to_expire_is_not() {
    let server = RedisServer::start();
    let (own, other) = two(&server).await;
    drop(take(&own).await);
    let guard = take(&other).await;
    guard.leave_to_expire();
    assert_eq!(kind(lock(&own).try_acquire().await), Some(ErrorKind::Busy));
    assert_eq!(kind(lock(&other).try_acquire().await), Some(ErrorKind::Busy));
    assert!(Hand::of(&server).is_locked(1));
}

#[tokio::test]
async fn a_lock_is_renewed_for_as_long_as_it_is_held() {
    let server = RedisServer::start();
    let (cache, mut hand) = (cache(&server.url()).await, Hand::of(&server));
    let lease = Duration::from_millis(300);
    let mut guards = Vec::new();
    for id in 0..20 {
        guards.push(cache.lock(order(id)).lease(lease).acquire().await.unwrap());
    }
    until("three leases have gone by", || guards[0].held_for() > 3 * lease).await;
    for (guard, id) in guards.into_iter().zip(0..) {
        assert!(guard.check().is_ok() && hand.is_locked(id));
        guard.release().await.unwrap();
    }
}

#[tokio::test]
async fn a_lock_is_held_no_longer_than_it_may_be() {
    let server = RedisServer::start();
    let (own, other) = two(&server).await;
    let most = Duration::from_millis(400);
    let lock = |cache: &cachekit::Cache| {
        cache.lock(order(1)).lease(Duration::from_millis(300)).wait(LONG).max_hold(most)
    };
    let guard = lock(&own).acquire().await.unwrap();
    let error = soon(guard.run(std::future::pending::<()>())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockLost);
    assert!(error.message().contains("max_hold") && guard.held_for() >= most, "{error}");
    // It is renewed no more, so that it ends though the guard was forgotten.
    std::mem::forget(guard);
    assert!(soon(lock(&other).acquire()).await.is_ok());
}

#[tokio::test]
async fn redis_that_is_away_is_told_apart_from_a_busy_lock_and_soon() {
    let mut server = RedisServer::start();
    let (own, other) = two(&server).await;
    let guard = take(&own).await;
    let waiting = tokio::spawn(lock(&other).acquire());
    let mut hand = Hand::of(&server);
    until("the other waits", || hand.waiting() == 1).await;
    server.stop_with_sigstop();
    for cache in [&own, &other] {
        let error = soon(cache.lock(order(2)).wait(LONG).acquire()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{error}");
        assert_eq!(error.template(), Some("order:<id>"));
    }
    let error = soon(waiting).await.unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{error}");
    server.cont();
    server.kill();
    until_async("the link is down", async || {
        let began = Instant::now();
        let error = soon(other.lock(order(2)).wait(LONG).acquire()).await.unwrap_err();
        error.kind() == ErrorKind::Unavailable && began.elapsed() < Duration::from_millis(50)
    })
    .await;
    drop(guard);
}

#[tokio::test]
async fn an_acquisition_whose_answer_is_lost_holds_nobody_up() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (own, other) = (cache(&proxy.url()).await, cache(&server.url()).await);
    take(&own).await.release().await.unwrap();
    let rule = proxy.lose_replies(|command| command.is("EVALSHA"));
    assert!(kind(soon(lock(&own).acquire()).await).is_some());
    rule.release(1);
    drop(rule);
    proxy.forget();
    take(&other).await.release().await.unwrap();
}

#[tokio::test]
async fn a_release_that_cannot_be_sent_is_sent_later() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (own, other) = (cache(&proxy.url()).await, cache(&server.url()).await);
    for drops in [true, false] {
        let guard = take(&own).await;
        proxy.refuse(true);
        proxy.cut();
        until_async("the link is down", async || {
            kind(own.lock(order(2)).try_acquire().await) == Some(ErrorKind::Unavailable)
        })
        .await;
        match drops {
            true => drop(guard),
            false => assert_eq!(kind(guard.release().await), Some(ErrorKind::Unavailable)),
        }
        assert!(Hand::of(&server).is_locked(1));
        proxy.refuse(false);
        take(&other).await.release().await.unwrap();
        until_async("the link is up", async || own.lock(order(2)).try_acquire().await.is_ok())
            .await;
    }
}

#[tokio::test]
async fn a_shutdown_sends_the_releases_of_dropped_guards() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    for id in 0..100 {
        drop(cache.lock(order(id)).lease(LONG).acquire().await.unwrap());
    }
    cache.shutdown().await.unwrap();
    let mut hand = Hand::of(&server);
    assert!((0..100).all(|id| !hand.is_locked(id)));
}

#[tokio::test]
async fn locks_of_a_cache_that_is_gone_are_released_by_their_guards() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let guard = cache.lock(order(1)).lease(Duration::from_secs(2)).acquire().await.unwrap();
    drop(cache);
    assert!(guard.check().is_ok());
    drop(guard);
    let mut hand = Hand::of(&server);
    until("it is released", || !hand.is_locked(1)).await;
}

#[tokio::test]
async fn caches_of_other_namespaces_have_other_locks() {
    let server = RedisServer::start();
    let own = cache(&server.url()).await;
    let other = cachekit::Cache::builder().namespace("u").redis(&server.url()).await.unwrap();
    let other = other.build().unwrap();
    let (_guard, _other) = (take(&own).await, take(&other).await);
    assert_eq!(Hand::of(&server).call(&["EXISTS", "ck~lock:u:{order:1}"]), Reply::Int(1));
}
