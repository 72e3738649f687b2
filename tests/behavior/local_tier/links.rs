//! The connection that tells of invalidations is lost, stalls, or its process does.

use std::time::{Duration, Instant};

use cachekit::{LocalState, Outcome};
use cachekit_test_support::{Proxy, RedisServer};
use cachekit_tests::{Entries, cache, item, until_async, until_local};

use super::{DELTA, asked, pair, read, until_kept};

/// What happens while the connection is made anew is told to nobody.
#[tokio::test]
async fn reconnect_gap() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, far) = pair(&proxy, &server.url()).await;
    until_kept(&proxy, &near, 1, 1).await;
    proxy.refuse(true);
    assert_eq!(proxy.cut_trackers(), 1);
    until_local(&near, false).await;
    assert_eq!(far.invalidate(item(1)).await, Outcome::Applied);
    assert_eq!(read(&far, 1, 2).await, 2);
    assert_eq!(read(&near, 1, 0).await, 2, "it asks Redis");
    proxy.refuse(false);
    until_local(&near, true).await;
    for _ in 0..10 {
        assert_eq!(read(&near, 1, 0).await, 2);
    }
    until_kept(&proxy, &near, 1, 2).await;
}

/// Nothing comes, and nothing says that nothing will.
#[tokio::test]
async fn half_open_link_stops_serving_after_delta() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, far) = pair(&proxy, &server.url()).await;
    until_kept(&proxy, &near, 1, 1).await;
    let silence = proxy.hold_pushes();
    assert_eq!(far.invalidate(item(1)).await, Outcome::Applied);
    let invalidated = Instant::now();
    assert_eq!(read(&far, 1, 2).await, 2);
    let mut stale = 0;
    while invalidated.elapsed() < 3 * DELTA {
        let began = invalidated.elapsed();
        match read(&near, 1, 0).await {
            1 if began < DELTA => stale += 1,
            version => assert_eq!(version, 2, "{began:?} after the write returned"),
        }
        tokio::task::yield_now().await;
    }
    assert!(stale > 0, "the copy was served at first, else this shows nothing");
    assert_eq!(near.local_state(), LocalState::Suspect);
    drop(silence);
    until_local(&near, true).await;
    until_kept(&proxy, &near, 1, 2).await;
}

/// The dead connection is given up, without anybody saying that it is dead.
#[tokio::test]
async fn a_silent_link_is_replaced() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, _) = pair(&proxy, &server.url()).await;
    let trackers = || proxy.count(|command| command.args.get(1).is_some_and(|a| a == b"TRACKING"));
    let before = trackers();
    let silence = proxy.hold_pushes();
    until_async("another is tried", async || trackers() > before).await;
    drop(silence);
    until_local(&near, true).await;
}

#[tokio::test]
async fn flushall_push() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, _) = pair(&proxy, &server.url()).await;
    for id in 0..10 {
        until_kept(&proxy, &near, id, 1).await;
    }
    server.connection().call(&["FLUSHALL"]);
    until_async("the flush is told", async || read(&near, 0, 2).await == 2).await;
    for id in 1..10 {
        assert_eq!(read(&near, id, 2).await, 2, "one message ends all copies");
    }
    assert!(matches!(near.local_state(), LocalState::Live { .. }), "the link is as good as ever");
}

/// A new process of the server's remembers nothing, and nobody told so.
#[tokio::test]
async fn a_restarted_server_ends_all_copies() {
    let mut server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, _) = pair(&proxy, &server.url()).await;
    until_kept(&proxy, &near, 1, 1).await;
    server.restart();
    until_local(&near, false).await;
    until_local(&near, true).await;
    until_async("Redis is used again", async || {
        assert_ne!(read(&near, 1, 2).await, 1);
        near.local_state() != LocalState::Suspect
    })
    .await;
}

/// The server that tells is not the one that is read from: its silence says nothing.
#[tokio::test]
async fn links_that_lead_to_different_servers_vouch_for_nothing() {
    let (old, new) = (RedisServer::start(), RedisServer::start());
    let proxy = Proxy::start(old.port());
    let (near, _) = pair(&proxy, &old.url()).await;
    until_kept(&proxy, &near, 1, 1).await;
    let far = cache(&new.url()).await;
    assert_eq!(read(&far, 1, 2).await, 2);
    proxy.lead_to(new.port());
    assert!(proxy.cut_all_but_trackers() > 0);
    let mut entries = Entries::of(&new);
    until_async("reads go to the other server", async || {
        assert_eq!(read(&near, 2, 3).await, 3);
        entries.is_filled("item:2")
    })
    .await;
    assert_eq!(read(&near, 1, 0).await, 2, "copies of the old one are gone at once");
    assert_eq!(far.invalidate(item(1)).await, Outcome::Applied);
    let invalidated = Instant::now();
    assert_eq!(read(&far, 1, 4).await, 4);
    while invalidated.elapsed() < 2 * DELTA {
        let began = invalidated.elapsed();
        let version = read(&near, 1, 0).await;
        assert!(version == 4 || began < DELTA, "{version} {began:?} after the write returned");
        tokio::task::yield_now().await;
    }
    until_local(&near, true).await;
    until_kept(&proxy, &near, 1, 4).await;
}

/// Messages wait unread while the process stands still: what it would serve first is too old.
#[test]
fn a_process_that_stood_still_serves_nothing_it_has_not_heard_about() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (ours, theirs) = (runtime(), runtime());
    let near = ours.block_on(async {
        let (near, _) = pair(&proxy, &server.url()).await;
        until_kept(&proxy, &near, 1, 1).await;
        near
    });
    theirs.block_on(async {
        let far = cache(&server.url()).await;
        assert_eq!(far.invalidate(item(1)).await, Outcome::Applied);
        assert_eq!(read(&far, 1, 2).await, 2);
    });
    // Nothing of ours runs meanwhile: this is the standstill itself.
    std::thread::sleep(DELTA + Duration::from_millis(1));
    assert_eq!(near.local_state(), LocalState::Suspect);
    ours.block_on(async {
        let before = asked(&proxy, 1);
        // The very first thing that runs, before any message is read.
        assert_eq!(read(&near, 1, 0).await, 2);
        assert!(asked(&proxy, 1) > before);
        until_local(&near, true).await;
    });
}

/// A cache that was shut down is told of nothing.
#[tokio::test]
async fn after_shutdown_no_copy_is_served() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, _) = pair(&proxy, &server.url()).await;
    until_kept(&proxy, &near, 1, 1).await;
    near.shutdown().await.unwrap();
    assert_eq!(near.local_state(), LocalState::Suspect);
    assert_eq!(read(&near, 1, 2).await, 2);
}
