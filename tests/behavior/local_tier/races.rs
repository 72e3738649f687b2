//! Replies and invalidations that overtake one another.

use std::pin::pin;

use cachekit::{LocalTier, Outcome, key};
use cachekit_test_support::{Command, Proxy, RedisServer};
use cachekit_tests::{PATIENCE, POLICY, cache, first_poll, item, soon, until, with_local};

use super::{asked, local, pair, read, until_kept};

/// Whatever reads `item:1`.
fn reads_the_key(command: &Command) -> bool {
    (command.is("SET") || command.is("GETEX")) && command.args[1] == b"ck:t:item:1"
}

#[tokio::test]
async fn what_was_found_once_is_read_again_without_asking_anybody() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, _) = pair(&proxy, &server.url()).await;
    until_kept(&proxy, &near, 1, 7).await;
    let before = asked(&proxy, 1);
    for _ in 0..100 {
        assert_eq!(read(&near, 1, 0).await, 7);
    }
    assert_eq!(asked(&proxy, 1), before);
    assert_eq!(near.entry_count(), 1);
}

/// The reply has come, its caller has not had its turn, and the write in this process returns first.
#[tokio::test]
async fn l1_put_after_invalidate() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, far) = pair(&proxy, &server.url()).await;
    for version in 1..20 {
        assert_eq!(read(&far, 1, version).await, version);
        let before = asked(&proxy, 1);
        let mut late = pin!(read(&near, 1, 0));
        assert!(first_poll(late.as_mut()).is_pending());
        until("it has asked", || asked(&proxy, 1) > before).await;
        assert_eq!(soon(near.invalidate(item(1))).await, Outcome::Applied);
        assert_eq!(late.await, version, "that read began before the write returned");
        assert_eq!(near.entry_count(), 0);
        assert_eq!(read(&near, 1, version + 1).await, version + 1);
        assert_eq!(near.invalidate(item(1)).await, Outcome::Applied);
    }
}

/// Another process invalidated the key, and that was told before the reply came.
#[tokio::test]
async fn reply_overtaken_by_push() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, far) = pair(&proxy, &server.url()).await;
    assert_eq!(read(&far, 1, 1).await, 1);
    // Of another key: its copy shows that a push has come.
    until_kept(&proxy, &near, 2, 5).await;
    let replies = proxy.hold_replies(reads_the_key);
    let late = tokio::spawn({
        let near = near.clone();
        async move { read(&near, 1, 0).await }
    });
    until("the old value is on its way", || replies.waiting() == 1).await;
    assert_eq!(far.invalidate(item(1)).await, Outcome::Applied);
    assert_eq!(far.invalidate(item(2)).await, Outcome::Applied);
    until("what was told after it is applied", || near.entry_count() == 0).await;
    drop(replies);
    assert_eq!(soon(late).await.unwrap(), 1, "that read began before the write returned");
    assert_eq!(near.entry_count(), 0, "it is no copy of what is there");
    for _ in 0..20 {
        assert_eq!(read(&near, 1, 2).await, 2);
    }
}

/// Also where nobody tells: the writer and the reader are one process.
#[tokio::test]
async fn own_invalidations_are_seen_at_once_whoever_tells() {
    let server = RedisServer::start();
    for local in [super::local(), LocalTier::by_ttl_only(POLICY.ttl().base())] {
        let proxy = Proxy::start(server.port());
        let near = cachekit_tests::with_local(&proxy.url(), local).await;
        for version in 1..20 {
            until_kept(&proxy, &near, 1, version).await;
            let pushes = proxy.hold_pushes();
            assert_eq!(near.invalidate(item(1)).await, Outcome::Applied);
            assert_eq!(read(&near, 1, version + 1).await, version + 1);
            drop(pushes);
        }
        assert_eq!(near.invalidate(item(1)).await, Outcome::Applied);
    }
}

/// What a writer left pending is not served from a copy, and none is made of it.
#[tokio::test]
async fn a_key_whose_invalidation_is_pending_has_no_copy() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let builder = cachekit::Cache::builder().namespace("t").local(super::local());
    let near = builder.redis(&proxy.url()).await.unwrap().build().unwrap();
    cachekit_tests::until_local(&near, true).await;
    until_kept(&proxy, &near, 1, 1).await;
    let unlinks = proxy.lose_replies(|command| command.is("UNLINK"));
    assert_eq!(soon(near.invalidate(item(1))).await, Outcome::Pending);
    for version in 2..10 {
        assert_eq!(soon(read(&near, 1, version)).await, version, "past the cache");
    }
    assert_eq!(near.entry_count(), 0);
    drop(unlinks);
}

#[tokio::test]
async fn a_refreshed_value_takes_the_place_of_the_copy() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, _) = pair(&proxy, &server.url()).await;
    for version in 1..20 {
        until_kept(&proxy, &near, 1, version).await;
        let pushes = proxy.hold_pushes();
        assert_eq!(cachekit::refresh(read(&near, 1, version + 1)).await, version + 1);
        assert_eq!(read(&near, 1, 0).await, version + 1);
        drop(pushes);
    }
    drop(cache(&server.url()).await);
}

/// Another process has written, and this one has not been told: a copy is an answer, and nothing to be stored for all.
#[tokio::test]
async fn a_load_is_given_no_copy_though_other_reads_are() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let near = with_local(&proxy.url(), local().staleness(PATIENCE)).await;
    let far = cache(&server.url()).await;
    until_kept(&proxy, &near, 1, 0).await;
    let pushes = proxy.hold_pushes();
    assert_eq!(soon(far.invalidate(item(1))).await, Outcome::Applied);
    assert_eq!(read(&near, 1, 1).await, 0, "within its bound");
    let page = async || Ok::<_, ()>(soon(read(&near, 1, 1)).await);
    let tagged = near.tagged([item(1)]);
    assert_eq!(soon(tagged.get_or_load(key!("page:1"), &POLICY, page)).await, Ok(1));
    drop(pushes);
    let page = far.tagged([item(1)]);
    let stored = page.get_or_load(key!("page:1"), &POLICY, async || Ok::<_, ()>(9_u64)).await;
    assert_eq!(stored, Ok(1), "everybody is given what came after the write");
}
