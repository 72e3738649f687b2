//! What is copied, and for how long.

use std::time::Duration;

use cachekit::{Cache, LocalState, LocalTier, Outcome, Policy, testing};
use cachekit_test_support::{Proxy, RedisServer};
use cachekit_tests::{
    Entries, NAMESPACE, POLICY, cache, item, until_async, until_local, with_local,
};

use super::{asked, local, pair, read, until_kept};

const NOT_LOCAL: Policy = POLICY.l1(false);

#[tokio::test]
async fn what_is_not_to_be_local_is_asked_for_each_time() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, far) = pair(&proxy, &server.url()).await;
    let read_with = async |policy: &Policy| {
        near.get_or_load(item(1), policy, async || Ok::<_, ()>(1_u64)).await.unwrap()
    };
    for _ in 0..10 {
        assert_eq!(read_with(&NOT_LOCAL).await, 1);
    }
    assert_eq!(near.entry_count(), 0);
    // The entry says so itself, whatever the reader's policy is.
    for _ in 0..10 {
        assert_eq!(read_with(&POLICY).await, 1);
    }
    assert_eq!(near.entry_count(), 0);

    // A copy that another function's policy allowed is none for this one.
    assert_eq!(far.invalidate(item(1)).await, Outcome::Applied);
    until_kept(&proxy, &near, 1, 1).await;
    let before = asked(&proxy, 1);
    assert_eq!(read_with(&NOT_LOCAL).await, 1);
    assert!(asked(&proxy, 1) > before);
}

#[cachekit::cached(key = "item:<id>", ttl = "1m", l1 = false, skip(version), cache = cache)]
async fn fresh_item(cache: &Cache, id: u64, version: u64) -> Option<u64> {
    Some(version)
}

#[tokio::test]
async fn an_attribute_says_that_its_values_are_not_to_be_local() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, _) = pair(&proxy, &server.url()).await;
    for _ in 0..10 {
        let before = asked(&proxy, 1);
        assert_eq!(fresh_item(&near, 1, 1).await, Some(1));
        assert!(asked(&proxy, 1) > before);
    }
    assert_eq!(near.entry_count(), 0);
    // In a cache without Redis there is nothing else to keep it in.
    let alone = Cache::builder().build().unwrap();
    assert_eq!(fresh_item(&alone, 1, 1).await, Some(1));
    assert_eq!(fresh_item(&alone, 1, 2).await, Some(1));
}

#[tokio::test]
async fn an_absence_is_copied_too() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, _) = pair(&proxy, &server.url()).await;
    let read = async || {
        near.get_or_load(item(1), &POLICY, async || Ok::<Option<u64>, ()>(None)).await.unwrap()
    };
    until_async("a copy is served", async || {
        let before = asked(&proxy, 1);
        assert_eq!(read().await, None);
        asked(&proxy, 1) == before
    })
    .await;
}

/// A copy does not begin a TTL of its own.
#[tokio::test]
async fn a_copy_ends_with_its_entry() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (clock, builder) = testing::clock();
    let builder = builder.namespace(NAMESPACE).local(local());
    let near = builder.redis(&proxy.url()).await.unwrap().build().unwrap();
    until_local(&near, true).await;
    assert_eq!(read(&near, 1, 1).await, 1);
    Entries::of(&server).call("PEXPIRE", "item:1", &[b"20000"]);
    until_kept(&proxy, &near, 1, 1).await;
    clock.advance(Duration::from_secs(15));
    until_local(&near, true).await;
    let before = asked(&proxy, 1);
    assert_eq!(read(&near, 1, 0).await, 1);
    assert_eq!(asked(&proxy, 1), before);
    clock.advance(Duration::from_secs(6));
    until_local(&near, true).await;
    assert_eq!(read(&near, 1, 0).await, 1);
    assert!(asked(&proxy, 1) > before, "by then it would have ended in Redis");
}

#[tokio::test]
async fn copies_that_go_by_their_ttl_see_nothing_of_others_until_it_ends() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let ttl = Duration::from_secs(10);
    let (clock, builder) = testing::clock();
    let builder = builder.namespace(NAMESPACE).local(LocalTier::by_ttl_only(ttl));
    let near = builder.redis(&proxy.url()).await.unwrap().build().unwrap();
    assert_eq!(near.local_state(), LocalState::ByTtlOnly);
    until_kept(&proxy, &near, 1, 1).await;
    let far = cache(&server.url()).await;
    assert_eq!(far.invalidate(item(1)).await, Outcome::Applied);
    clock.advance(ttl - Duration::from_millis(1));
    assert_eq!(read(&near, 1, 2).await, 1, "this is the weaker bound");
    clock.advance(Duration::from_millis(1));
    assert_eq!(read(&near, 1, 2).await, 2);
    let tracks = proxy.count(|command| command.args.get(1).is_some_and(|arg| arg == b"TRACKING"));
    assert_eq!(tracks, 0);
}

#[tokio::test]
async fn the_tier_holds_no_more_than_it_may() {
    let server = RedisServer::start();
    for (bound, most) in [
        (LocalTier::new().max_entries(100), 110),
        // An entry of a number is about 60 bytes long.
        (LocalTier::new().max_weight(6_000, 100), 140),
    ] {
        let near = with_local(&server.url(), bound).await;
        for id in 0..2_000 {
            for _ in 0..3 {
                assert_eq!(read(&near, id, id).await, id);
            }
        }
        let count = near.entry_count();
        assert!((1..most).contains(&count), "{count} entries");
    }
}
