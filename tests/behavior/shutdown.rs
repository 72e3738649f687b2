//! A shutdown waits for invalidations and says what it could not bring to an end.

use std::pin::pin;
use std::time::Duration;

use cachekit::{ErrorKind, Outcome, Status, with_status};
use cachekit_test_support::{Proxy, RedisServer, invalidation};
use cachekit_tests::{
    Entries, POLICY, builder, cache, first_poll, item, patient_builder, soon, until,
};

#[tokio::test]
async fn shutdown_reports_what_is_pending() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let builder = builder(&proxy.url()).await;
    let cache = builder.shutdown_timeout(Duration::from_millis(50)).build().unwrap();
    proxy.refuse(true);
    proxy.cut();
    for (_, outcome) in cache.invalidate_many([item(1), item(2), item(3)]).await {
        assert_eq!(outcome, Outcome::Pending);
    }
    let error = soon(cache.shutdown()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShuttingDown);
    assert!(error.to_string().contains("3 invalidations"), "{error}");
}

#[tokio::test]
async fn shutdown_waits_for_invalidations_under_way() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = patient_builder(&proxy.url()).await.build().unwrap();
    let unlinks = proxy.hold(invalidation);
    assert_eq!(cache.invalidate(item(1)).await, Outcome::Pending);
    until("the command is on its way", || unlinks.waiting() == 1).await;
    let mut shutdown = pin!(cache.shutdown());
    assert!(first_poll(shutdown.as_mut()).is_pending());
    drop(unlinks);
    soon(shutdown).await.unwrap();
}

#[tokio::test]
async fn shutdown_gives_leases_up_and_closes_the_connection() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let failed = cache.get_or_load(item(1), &POLICY, async || Err::<u64, _>(())).await;
    assert_eq!(failed, Err(()));
    soon(cache.shutdown()).await.unwrap();
    let mut entries = Entries::of(&server);
    assert_eq!(entries.pttl("item:1"), -2);
    let alone = |entries: &mut Entries| {
        let list = entries.raw(&["CLIENT", "LIST", "TYPE", "NORMAL"]).bytes().unwrap();
        String::from_utf8(list).unwrap().lines().count() == 1
    };
    soon(until("no connection but the test's is left", || alone(&mut entries))).await;
    let read = cache.get_or_load(item(1), &POLICY, async || Ok::<_, ()>(1_u64));
    assert_eq!(soon(with_status(read)).await, (Ok(1), Status::Bypassed));
    assert_eq!(cache.invalidate(item(1)).await, Outcome::Pending, "nobody sends it any more");
}

/// What hangs takes all the time there is, and is all that is lost: the others are sent meanwhile.
#[tokio::test]
async fn a_tracked_task_that_hangs_keeps_no_invalidation_and_no_release_from_being_sent() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let builder = patient_builder(&proxy.url()).await;
    let cache = builder.shutdown_timeout(Duration::from_secs(1)).build().unwrap();
    let guard = cache.lock(item(2)).acquire().await.unwrap();
    let unlinks = proxy.hold(invalidation);
    assert_eq!(cache.invalidate(item(1)).await, Outcome::Pending);
    until("the command is on its way", || unlinks.waiting() == 1).await;
    assert!(cache.track(std::future::pending()));
    let mut shutdown = pin!(cache.shutdown());
    assert!(first_poll(shutdown.as_mut()).is_pending());
    drop((guard, unlinks));
    let error = soon(shutdown).await.unwrap_err();
    assert!(error.to_string().contains("1 tracked tasks"), "{error}");
    assert!(!error.to_string().contains("invalidations"), "{error}");
    assert!(Entries::of(&server).keys("ck~lock:").is_empty(), "the lock is free");
}
