//! How a cache is doing, as those see it who watch it.

use std::sync::{Arc, Mutex};

use cachekit_test_support::{Proxy, RedisServer};
use cachekit_tests::{POLICY, builder, item, until};

#[tokio::test]
async fn health_tells_of_the_store_and_of_what_waits_for_it() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = told.clone();
    let builder = builder(&proxy.url()).await;
    let builder = builder.on_store_change(move |change| hook.lock().unwrap().push(change.is_up));
    let cache = builder.build().unwrap();
    let health = cache.health();
    assert!(health.store_is_up && health.store_since.is_some() && health.bypass.is_none());

    proxy.refuse(true);
    proxy.cut();
    until("the store is down", || !cache.health().store_is_up).await;
    assert_eq!(cache.health().bypass, Some("down"));
    cache.invalidate(item(1)).await;
    assert_eq!(cache.health().pending_invalidations, 1);
    let read = cache.get_or_load(item(1), &POLICY, async || Ok::<_, ()>(1_u64));
    assert_eq!(read.await, Ok(1), "that is no reason to be out of service");
    until("it was told", || *told.lock().unwrap() == [false]).await;

    proxy.refuse(false);
    until("all is well", || {
        let health = cache.health();
        health.store_is_up && health.bypass.is_none() && health.pending_invalidations == 0
    })
    .await;
    until("it was told", || *told.lock().unwrap() == [false, true]).await;
}
