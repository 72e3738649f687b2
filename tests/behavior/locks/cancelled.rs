//! An acquisition or a release may be dropped at any await: no lock outlives it, no waiter hangs.

use cachekit::Cache;
use cachekit_test_support::RedisServer;
use cachekit_tests::{Polls, first_poll, until};

use super::{Hand, lock, take, two};

/// Drops an acquisition after each number of polls. Then another process gets the lock at once.
async fn walk<F: Future>(contended: bool, acquire: impl Fn(Cache) -> F) -> usize {
    let server = RedisServer::start();
    let (own, other) = two(&server).await;
    let mut hand = Hand::of(&server);
    // The connection that wakes is made by the first who waits.
    for polls in 0.. {
        let held = match contended {
            true => Some(take(&other).await),
            false => None,
        };
        let mut walked = std::pin::pin!(Polls::new(acquire(own.clone()), polls));
        let done = match contended {
            // It waits for a release that does not come before it is dropped.
            true => {
                let done = until_idle(walked.as_mut()).await;
                drop(held);
                match done {
                    Some(done) => done.is_some(),
                    None => walked.await.is_some(),
                }
            }
            false => walked.await.is_some(),
        };
        take(&other).await.release().await.unwrap();
        take(&own).await.release().await.unwrap();
        until("nobody stands in line", || hand.waiting() == 0).await;
        if done {
            return polls;
        }
    }
    unreachable!("every acquisition comes to an end")
}

/// Its output, unless it does nothing for a while.
async fn until_idle<F: Future + Unpin>(future: F) -> Option<F::Output> {
    tokio::time::timeout(std::time::Duration::from_millis(40), future).await.ok()
}

#[tokio::test]
async fn a_cancelled_acquisition_holds_nobody_up() {
    let polls = walk(false, |cache| async move {
        lock(&cache).acquire().await.unwrap().release().await.unwrap();
    })
    .await;
    assert!(polls >= 2, "acquire and release are awaits, and there were {polls} polls");
}

#[tokio::test]
async fn a_cancelled_waiter_holds_nobody_up() {
    for fair in [false, true] {
        let polls = walk(true, |cache| async move {
            let lock = lock(&cache);
            let lock = if fair { lock.fair() } else { lock };
            lock.acquire().await.unwrap().release().await.unwrap();
        })
        .await;
        assert!(polls >= 4, "it asks, waits and asks again, and there were {polls} polls");
    }
}

#[tokio::test]
async fn a_cancelled_run_holds_nobody_up() {
    let polls = walk(false, |cache| async move {
        lock(&cache).run(tokio::task::yield_now()).await.unwrap();
    })
    .await;
    assert!(polls >= 3, "acquire, work and release are awaits, and there were {polls} polls");
}

#[tokio::test]
async fn cancelled_acquisitions_of_several_locks_hold_nobody_up() {
    let server = RedisServer::start();
    let (own, other) = two(&server).await;
    let keys = || (1..4).map(super::order);
    for polls in 0.. {
        let lock = own.lock_all(keys()).lease(super::LONG);
        let done = Polls::new(lock.acquire(), polls).await.is_some();
        let all = other.lock_all(keys()).lease(super::LONG);
        let guard = cachekit_tests::soon(all.acquire()).await.unwrap();
        guard.release().await.unwrap();
        if done {
            assert!(polls >= 3, "{polls} polls");
            return;
        }
    }
}

#[tokio::test]
async fn waiting_for_a_loss_or_running_work_may_be_dropped_and_done_again() {
    let server = RedisServer::start();
    let (own, other) = two(&server).await;
    let guard = take(&own).await;
    for _ in 0..3 {
        let mut lost = Box::pin(guard.lost());
        assert!(first_poll(lost.as_mut()).is_pending());
        let mut run = Box::pin(guard.run(std::future::pending::<()>()));
        assert!(first_poll(run.as_mut()).is_pending());
    }
    assert_eq!(guard.run(async { 7 }).await.unwrap(), 7);
    guard.release().await.unwrap();
    take(&other).await.release().await.unwrap();
}
