//! Several locks at once: all or none, in whatever order they are named.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use cachekit::{Cache, ErrorKind, Lock};
use cachekit_test_support::RedisServer;
use cachekit_tests::{cache, until};
use tokio::task::JoinSet;

use super::{Hand, LONG, kind, order, two};

#[tokio::test]
async fn where_one_lock_is_busy_none_is_held() {
    let server = RedisServer::start();
    let (own, other) = two(&server).await;
    let held = other.lock(order(3)).lease(LONG).acquire().await.unwrap();
    let all = |cache: &Cache| Lock::all(cache, (1..5).rev().map(order)).lease(LONG);
    assert_eq!(kind(all(&own).try_acquire().await), Some(ErrorKind::Busy));
    let short = all(&own).wait(Duration::from_millis(30)).acquire().await;
    assert_eq!(kind(short), Some(ErrorKind::WaitExhausted));
    let mut hand = Hand::of(&server);
    until("those before it are released", || [1, 2, 4].iter().all(|id| !hand.is_locked(*id))).await;
    held.release().await.unwrap();
    let guard = all(&own).acquire().await.unwrap();
    assert!((1..5).all(|id| hand.is_locked(id)));
    let tokens = guard.fencing_tokens();
    assert_eq!(
        tokens.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(),
        (1..5).map(order).collect::<Vec<_>>()
    );
    guard.release().await.unwrap();
    assert!((1..5).all(|id| !hand.is_locked(id)));
}

#[tokio::test]
async fn a_key_that_is_named_twice_is_one_lock_and_none_is_refused() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let guard = cache.lock_all([order(1), order(1)]).acquire().await.unwrap();
    assert_eq!(guard.fencing_tokens().len(), 1);
    assert_eq!(kind(cache.lock_all([]).acquire().await), Some(ErrorKind::Config));
    let many = cache.lock_all((0..65).map(order)).acquire().await;
    assert_eq!(kind(many), Some(ErrorKind::Config));
}

#[tokio::test]
async fn the_loss_of_one_of_several_is_the_loss_of_all() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let all = cache.lock_all((1..4).map(order)).lease(Duration::from_millis(900));
    let guard = all.acquire().await.unwrap();
    Hand::of(&server).call(&["DEL", &super::name("lock", 2)]);
    let error = cachekit_tests::soon(guard.run(std::future::pending::<()>())).await.unwrap_err();
    assert_eq!((error.kind(), guard.check().is_err()), (ErrorKind::LockLost, true));
    let mut hand = Hand::of(&server);
    assert_eq!(kind(guard.release().await), Some(ErrorKind::LockLost));
    until("the others are released", || !hand.is_locked(1) && !hand.is_locked(3)).await;
}

/// Two processes, 20 tasks, five locks named in random order.
#[tokio::test]
async fn many_tasks_that_name_locks_in_any_order_do_not_wait_in_a_circle() {
    let server = RedisServer::start();
    let caches = two(&server).await;
    let taken: Arc<[AtomicBool; 5]> = Arc::default();
    let (end, mut tasks) = (Instant::now() + Duration::from_secs(3), JoinSet::new());
    for number in 0..20 {
        let cache = if number % 2 == 0 { caches.0.clone() } else { caches.1.clone() };
        let taken = taken.clone();
        tasks.spawn(async move {
            let mut rounds = 0;
            while Instant::now() < end {
                let mut ids = [0, 1, 2, 3, 4];
                fastrand::shuffle(&mut ids);
                let ids = &ids[..fastrand::usize(1..=5)];
                let lock = cache.lock_all(ids.iter().map(|id| order(*id))).lease(LONG).wait(LONG);
                let guard = lock.acquire().await.unwrap();
                let set = |to: bool| {
                    ids.iter().all(|id| taken[*id as usize].swap(to, Ordering::SeqCst) != to)
                };
                assert!(set(true), "two hold one lock");
                tokio::task::yield_now().await;
                assert!(set(false));
                guard.release().await.unwrap();
                rounds += 1;
            }
            rounds
        });
    }
    let done = tokio::time::timeout(Duration::from_secs(20), tasks.join_all()).await;
    let rounds = done.expect("nobody waits for ever");
    println!("rounds: {}", rounds.iter().sum::<u32>());
    assert!(rounds.iter().all(|rounds| *rounds > 0), "everybody had them: {rounds:?}");
    let mut hand = Hand::of(&server);
    assert!((0..5).all(|id| !hand.is_locked(id)), "no lock is left behind");
}
