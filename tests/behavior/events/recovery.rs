//! A consumer goes on when its Redis was away or has lost everything.

use cachekit_test_support::{Proxy, RedisServer};
use cachekit_tests::{Entries, until_async};

use super::{Seen, consumer, event, noting, publisher};

#[tokio::test]
async fn group_is_made_again_after_flushall() {
    let server = RedisServer::start();
    let publisher = publisher(&server.url()).await;
    let seen = Seen::default();
    let handle = noting(consumer("g"), &server.url(), &seen).await;
    publisher.publish(event("a", 1)).await.unwrap();
    seen.until_number(1).await;
    Entries::of(&server).raw(&["FLUSHALL"]);
    // Before the consumer can know, and while its group is gone.
    publisher.publish(event("a", 2)).await.unwrap();
    seen.until_number(2).await;
    publisher.publish(event("a", 3)).await.unwrap();
    seen.until_number(3).await;
    assert_eq!(seen.numbers(), [1, 2, 3]);
    handle.shutdown().await;
}

#[tokio::test]
async fn consumer_goes_on_when_its_server_is_back() {
    let mut server = RedisServer::start();
    let seen = Seen::default();
    let handle = noting(consumer("g"), &server.url(), &seen).await;
    let publisher = publisher(&server.url()).await;
    publisher.publish(event("a", 1)).await.unwrap();
    seen.until_number(1).await;
    server.restart();
    until_async("it is published", async || publisher.publish(event("a", 2)).await.is_ok()).await;
    seen.until_number(2).await;
    handle.shutdown().await;
}

#[tokio::test]
async fn consumer_may_be_there_before_its_server() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    proxy.refuse(true);
    let seen = Seen::default();
    let handle = noting(consumer("g"), &proxy.url(), &seen).await;
    publisher(&server.url()).await.publish(event("a", 1)).await.unwrap();
    proxy.refuse(false);
    seen.until_number(1).await;
    handle.shutdown().await;
}
