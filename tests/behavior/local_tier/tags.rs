//! Copies of what was loaded under tags go with the tags.

use std::time::{Duration, Instant};

use cachekit::{Cache, Key, Outcome, Status, key, with_status};
use cachekit_test_support::{Command, Proxy, RedisServer};
use cachekit_tests::{POLICY, item, soon, until, until_async, until_local};

use super::{DELTA, pair};

fn org(org: u64) -> Key {
    key!("org:<org>")
}

async fn read(cache: &Cache, id: u64, version: u64) -> (u64, Status) {
    let load = async || Ok::<_, ()>(version);
    let tagged = cache.tagged([org(7)]);
    let (value, status) = soon(with_status(tagged.get_or_load(item(id), &POLICY, load))).await;
    (value.unwrap(), status)
}

fn invalidates(command: &Command) -> bool {
    command.is("UNLINK")
}

fn asked(proxy: &Proxy) -> usize {
    proxy.count(|command| command.args.get(1).is_some_and(|key| key.starts_with(b"ck:t:")))
}

/// Reads until a read asks nobody.
async fn until_kept(proxy: &Proxy, cache: &Cache, version: u64) {
    until_async("a copy is served", async || {
        let before = asked(proxy);
        assert_eq!(read(cache, 1, version).await.0, version);
        asked(proxy) == before
    })
    .await;
}

#[tokio::test]
async fn a_tag_that_another_process_invalidates_ends_copies_within_the_bound() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, far) = pair(&proxy, &server.url()).await;
    for round in 0..20 {
        until_kept(&proxy, &near, round).await;
        assert_eq!(far.invalidate_tag(org(7)).await, Outcome::Applied);
        let returned = Instant::now();
        until_async("what came after is read", async || {
            let (value, _) = read(&near, 1, round + 1).await;
            value == round + 1
        })
        .await;
        assert!(returned.elapsed() < DELTA + Duration::from_millis(100));
    }
}

#[tokio::test]
async fn a_tag_that_this_process_invalidates_ends_copies_at_once() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, _) = pair(&proxy, &server.url()).await;
    for round in 0..20 {
        until_kept(&proxy, &near, round).await;
        let outcome = match round % 2 {
            0 => near.invalidate_tag(org(7)).await,
            _ => near.invalidate(org(7)).await,
        };
        assert_eq!(outcome, Outcome::Applied);
        assert_eq!(read(&near, 1, round + 1).await.0, round + 1);
    }
}

/// Nothing reaches Redis: the copies are gone all the same, whether the tag is invalidated or the key that it is.
#[tokio::test]
async fn a_pending_invalidation_of_a_tag_ends_copies_at_once() {
    for as_tag in [true, false] {
        let server = RedisServer::start();
        let proxy = Proxy::start(server.port());
        let (near, far) = pair(&proxy, &server.url()).await;
        until_kept(&proxy, &near, 0).await;
        let replies = proxy.hold_replies(invalidates);
        let outcome = match as_tag {
            true => near.invalidate_tag(org(7)).await,
            false => near.invalidate(org(7)).await,
        };
        assert_eq!(outcome, Outcome::Pending);
        for _ in 0..5 {
            assert_eq!(read(&near, 1, 1).await, (1, Status::Bypassed));
        }
        drop(replies);
        until_async("it went through", async || read(&near, 1, 1).await.1 == Status::Hit).await;
        assert_eq!(read(&far, 1, 2).await.0, 1);
    }
}

/// The generation was on its way when this process invalidated the tag.
#[tokio::test]
async fn a_generation_that_is_late_is_no_copy() {
    for as_tag in [true, false] {
        let server = RedisServer::start();
        let proxy = Proxy::start(server.port());
        let (near, far) = pair(&proxy, &server.url()).await;
        assert_eq!(read(&far, 1, 1).await.0, 1);
        let replies = proxy.hold_replies(|command| {
            (command.is("SET") || command.is("GETEX")) && command.args[1] == b"ck:t:item:1"
        });
        let late = tokio::spawn({
            let near = near.clone();
            async move { read(&near, 1, 0).await }
        });
        until("the old value is on its way", || replies.waiting() == 1).await;
        let writer = tokio::spawn({
            let near = near.clone();
            async move {
                match as_tag {
                    true => near.invalidate_tag(org(7)).await,
                    false => near.invalidate(org(7)).await,
                }
            }
        });
        until("Redis has carried it out", || proxy.count(invalidates) > 0).await;
        drop(replies);
        assert_eq!(soon(late).await.unwrap().0, 1, "that read began before the write returned");
        assert_eq!(soon(writer).await.unwrap(), Outcome::Applied);
        for _ in 0..20 {
            assert_eq!(read(&near, 1, 2).await.0, 2);
        }
    }
}

#[tokio::test]
async fn copies_under_tags_end_with_the_link() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, far) = pair(&proxy, &server.url()).await;
    until_kept(&proxy, &near, 0).await;
    proxy.refuse(true);
    proxy.cut();
    until_local(&near, false).await;
    assert_eq!(far.invalidate_tag(org(7)).await, Outcome::Applied);
    assert_eq!(read(&near, 1, 1).await, (1, Status::Bypassed));
    proxy.refuse(false);
    until_local(&near, true).await;
    until_async("redis is read again", async || {
        let (value, status) = read(&near, 1, 1).await;
        assert_eq!(value, 1);
        status == Status::Hit
    })
    .await;
}
