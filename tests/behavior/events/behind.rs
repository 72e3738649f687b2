//! A group that is behind is heard of, and one that has to begin again can.

use std::convert::Infallible;
use std::future::pending;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cachekit::events::Message;
use cachekit_test_support::RedisServer;
use cachekit_tests::{soon, until, until_async};
use tokio::sync::mpsc;

use super::{Seen, consumer, event, noting, publisher};

#[tokio::test]
async fn messages_that_wait_too_long_are_told_of() {
    let server = RedisServer::start();
    let url = server.url();
    publisher(&url).await.publish(event("a", 1)).await.unwrap();
    let stuck = |_: Message<u64>| pending::<Result<(), Infallible>>();
    let slow = consumer("g").start(&url, stuck).await.unwrap();
    let limit = Duration::from_millis(20);
    let is_late = async || slow.lag().await.unwrap().oldest.is_some_and(|oldest| oldest > limit);
    until_async("the message is late", is_late).await;
    let (told, mut lags) = mpsc::unbounded_channel();
    let watching = consumer("g").alert_after(limit).on_lag(move |lag| told.send(*lag).unwrap());
    let watching = watching.start(&url, stuck).await.unwrap();
    let lag = soon(lags.recv()).await.unwrap();
    assert_eq!((lag.pending, lag.dead), (1, 0));
    assert!(lag.oldest.unwrap() > limit);
    drop((slow, watching));
}

#[tokio::test]
async fn events_since_a_time_are_delivered_once_more_and_none_is_left_out() {
    let server = RedisServer::start();
    let publisher = publisher(&server.url()).await;
    let seen = Seen::default();
    let handle = noting(consumer("g"), &server.url(), &seen).await;
    for number in 1..=3 {
        publisher.publish(event("a", number)).await.unwrap();
    }
    until("all were handled", || seen.numbers() == [1, 2, 3]).await;
    // Later than anything: there is nothing to go back to.
    let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
    handle.replay_since(tomorrow).await.unwrap();
    publisher.publish(event("a", 4)).await.unwrap();
    until("it came", || seen.numbers() == [1, 2, 3, 4]).await;
    handle.replay_since(UNIX_EPOCH).await.unwrap();
    until("all came again", || seen.numbers() == [1, 2, 3, 4, 1, 2, 3, 4]).await;
    handle.shutdown().await;
}
