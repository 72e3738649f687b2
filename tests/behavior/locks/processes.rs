//! Without Redis, and with no cache at all, a lock excludes the callers of this process.

use std::{sync::Arc, time::Duration};

use cachekit::{Cache, ErrorKind};
use cachekit_tests::{Polls, soon};
use tokio::sync::Mutex;

use super::{LONG, kind, lock, order, take};

#[tokio::test]
async fn a_lock_without_redis_excludes_the_callers_of_this_process() {
    for cache in [Cache::builder().build().unwrap(), Cache::disabled()] {
        let guard = take(&cache).await;
        assert_eq!(kind(lock(&cache).try_acquire().await), Some(ErrorKind::Busy));
        let short = lock(&cache).wait(Duration::from_millis(10)).acquire().await;
        assert_eq!(kind(short), Some(ErrorKind::WaitExhausted));
        let (first, waiting) = (guard.fencing_token(), tokio::spawn(lock(&cache).acquire()));
        tokio::task::yield_now().await;
        guard.release().await.unwrap();
        let second = soon(waiting).await.unwrap().unwrap();
        assert!(second.fencing_token() > first);
        drop(second);
        let third = lock(&cache).above(1000).acquire().await.unwrap();
        assert_eq!(third.fencing_token(), 1001);
        third.release().await.unwrap();
        assert_eq!(lock(&cache).run(async { 7 }).await.unwrap(), 7);
    }
}

#[tokio::test]
async fn waiters_of_one_process_are_served_in_order_also_when_some_go_away() {
    let cache = Cache::builder().build().unwrap();
    let guard = take(&cache).await;
    let (order, mut tasks) = (Arc::new(Mutex::new(Vec::new())), Vec::new());
    for number in 0..10 {
        let (lock, order) = (lock(&cache), order.clone());
        tasks.push(tokio::spawn(async move {
            let guard = lock.acquire().await.unwrap();
            order.lock().await.push(number);
            guard.release().await.unwrap();
        }));
        tokio::task::yield_now().await;
    }
    tasks.remove(4).abort();
    drop(guard);
    for task in tasks {
        soon(task).await.unwrap();
    }
    assert_eq!(*order.lock().await, [0, 1, 2, 3, 5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn a_caller_that_goes_away_at_any_await_holds_nobody_up() {
    let cache = Cache::builder().build().unwrap();
    for contended in [false, true] {
        let held = if contended { Some(take(&cache).await) } else { None };
        for polls in 0..3 {
            let asked = Polls::new(lock(&cache).acquire(), polls);
            let got = tokio::time::timeout(Duration::from_millis(5), asked).await;
            assert!(!contended || !matches!(got, Ok(Some(_))));
        }
        drop(held);
        take(&cache).await.release().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_left_to_expire_is_free_after_its_lease() {
    let cache = Cache::builder().build().unwrap();
    let guard = cache.lock(order(1)).lease(Duration::from_secs(5)).acquire().await.unwrap();
    let began = tokio::time::Instant::now();
    guard.leave_to_expire();
    cache.lock(order(1)).wait(LONG).acquire().await.unwrap().release().await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn terms_that_cannot_work_are_refused_when_the_lock_is_asked_for() {
    let cache = Cache::builder().build().unwrap();
    let refused = lock(&cache).lease(Duration::from_millis(1)).acquire().await.unwrap_err();
    assert_eq!((refused.kind(), refused.operation()), (ErrorKind::Config, "acquire the lock"));
}

#[tokio::test]
async fn more_callers_than_can_wait_are_refused() {
    let cache = Cache::builder().build().unwrap();
    let _guard = take(&cache).await;
    let mut waiting: Vec<_> = (0..1023).map(|_| Box::pin(lock(&cache).acquire())).collect();
    for waiter in &mut waiting {
        assert!(cachekit_tests::first_poll(waiter.as_mut()).is_pending());
    }
    assert_eq!(kind(lock(&cache).acquire().await), Some(ErrorKind::Overloaded));
    drop(waiting);
    assert_eq!(kind(lock(&cache).try_acquire().await), Some(ErrorKind::Busy));
}
