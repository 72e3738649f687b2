//! What a consumer has in hand is handled by another if it dies, and by no other while it lives.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cachekit::events::{Consumer, ConsumerHandle, Message};
use cachekit_test_support::{Proxy, RedisServer, named};
use cachekit_tests::until;
use tokio::sync::Semaphore;

use super::{IDLE, Seen, consumer, event, noting, publisher};

/// A handler that waits for leave, and how many are waiting.
#[derive(Clone, Debug)]
struct Gate {
    leave: Arc<Semaphore>,
    begun: Arc<AtomicUsize>,
    done: Seen,
}

impl Gate {
    fn closed() -> Gate {
        let leave = Arc::new(Semaphore::new(0));
        Gate { leave, begun: Arc::default(), done: Seen::default() }
    }

    async fn start(&self, consumer: Consumer, url: &str) -> ConsumerHandle {
        let gate = self.clone();
        let started = consumer.start(url, move |message: Message<u64>| {
            let gate = gate.clone();
            async move {
                gate.begun.fetch_add(1, Ordering::SeqCst);
                gate.leave.acquire().await.unwrap().forget();
                gate.done.add(&message);
                Ok::<_, Infallible>(())
            }
        });
        started.await.unwrap()
    }

    async fn until_begun(&self, count: usize) {
        until("handlers have begun", || self.begun.load(Ordering::SeqCst) == count).await;
    }
}

#[tokio::test]
async fn messages_of_a_dead_consumer_are_taken_over_in_time() {
    let server = RedisServer::start();
    let publisher = publisher(&server.url()).await;
    let gate = Gate::closed();
    let idle = Duration::from_secs(1);
    let dying = gate.start(consumer("g").claim_idle(idle), &server.url()).await;
    for number in 0..10 {
        publisher.publish(event(&number.to_string(), number)).await.unwrap();
    }
    until("some are in hand", || gate.begun.load(Ordering::SeqCst) >= 5).await;
    let seen = Seen::default();
    let other = noting(consumer("g").claim_idle(idle), &server.url(), &seen).await;
    drop(dying);
    let died = Instant::now();
    for number in 0..10 {
        seen.until_number(number).await;
    }
    // A third later at most, and some time for a busy machine.
    assert!(died.elapsed() < idle * 2, "{:?}", died.elapsed());
    assert!(gate.done.numbers().is_empty());
    other.shutdown().await;
}

#[tokio::test]
async fn long_handler_keeps_its_message() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let publisher = publisher(&server.url()).await;
    let gate = Gate::closed();
    let owner = gate.start(consumer("g").claim_idle(IDLE), &proxy.url()).await;
    publisher.publish(event("a", 1)).await.unwrap();
    gate.until_begun(1).await;
    let second = Proxy::start(server.port());
    let seen = Seen::default();
    let other = noting(consumer("g").claim_idle(IDLE), &second.url(), &seen).await;
    // Four times as long as a message may lie idle.
    until("the owner kept it", || proxy.count(named("XCLAIM")) >= 12).await;
    until("the other has looked for it", || second.count(named("XAUTOCLAIM")) >= 12).await;
    assert!(seen.numbers().is_empty(), "it was taken from a consumer that lives");
    gate.leave.add_permits(1);
    gate.done.until_number(1).await;
    owner.shutdown().await;
    other.shutdown().await;
    assert_eq!(gate.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn shutdown_finishes_the_message_at_hand_and_leaves_the_rest_at_once() {
    let server = RedisServer::start();
    let publisher = publisher(&server.url()).await;
    let gate = Gate::closed();
    let ending = gate.start(consumer("g").concurrency(1), &server.url()).await;
    for number in 0..5 {
        publisher.publish(event("a", number)).await.unwrap();
    }
    gate.until_begun(1).await;
    until_pending(&ending, 5).await;
    let ended = tokio::spawn(ending.shutdown());
    tokio::task::yield_now().await;
    gate.leave.add_permits(5);
    ended.await.unwrap();
    assert_eq!(gate.done.numbers(), [0], "one was at hand");
    // Its idle time is 30 s: nothing but the leave can have given these away.
    let seen = Seen::default();
    let next = noting(consumer("g"), &server.url(), &seen).await;
    until("the rest has come", || seen.numbers().len() == 4).await;
    assert_eq!(seen.numbers(), [1, 2, 3, 4]);
    next.shutdown().await;
}

async fn until_pending(handle: &ConsumerHandle, count: u64) {
    cachekit_tests::until_async("messages are in hand", async || {
        handle.lag().await.unwrap().pending == count
    })
    .await;
}

#[tokio::test]
async fn consumer_that_comes_back_under_its_name_goes_on_in_order() {
    let server = RedisServer::start();
    let publisher = publisher(&server.url()).await;
    let gate = Gate::closed();
    let first = gate.start(consumer("g").name("w1"), &server.url()).await;
    for number in 0..20 {
        publisher.publish(event("a", number)).await.unwrap();
    }
    gate.until_begun(1).await;
    drop(first);
    let seen = Seen::default();
    let second = noting(consumer("g").name("w1"), &server.url(), &seen).await;
    until("all have come", || seen.numbers().len() >= 20).await;
    assert_eq!(seen.numbers(), (0..20).collect::<Vec<_>>());
    second.shutdown().await;
}
