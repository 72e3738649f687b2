//! A service that shares neither database nor cache hears what to invalidate.

use std::convert::Infallible;

use cachekit::Cache;
use cachekit::events::{Consumer, Event, INVALIDATIONS};
use cachekit_test_support::RedisServer;
use cachekit_tests::{NAMESPACE, POLICY, item, until_async};

use super::publisher;

#[tokio::test]
async fn published_keys_are_invalidated_in_another_service_s_cache() {
    let server = RedisServer::start();
    let cache = Cache::builder().build().unwrap();
    let read = async |value: u64| {
        let load = async || Ok::<_, Infallible>(value);
        cache.get_or_load(item(1), &POLICY, load).await.unwrap()
    };
    assert_eq!(read(1).await, 1);
    assert_eq!(read(2).await, 1, "it is cached");
    let consumer = Consumer::new(INVALIDATIONS, "storefront").namespace(NAMESPACE);
    let handle = consumer.start_invalidating(&server.url(), &cache).await.unwrap();
    let keys = [item(1), item(2)];
    publisher(&server.url()).await.publish(Event::invalidations(&keys).unwrap()).await.unwrap();
    until_async("it is read anew", async || read(2).await == 2).await;
    let lag = async || handle.lag().await.unwrap();
    until_async("it is acknowledged", async || lag().await.pending == 0).await;
    assert_eq!(lag().await.dead, 0);
    handle.shutdown().await;
}
