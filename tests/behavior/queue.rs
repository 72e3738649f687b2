//! Invalidations wait in a queue: one command a key, told of when they fail, never lost.

use std::pin::pin;
use std::sync::{Arc, Mutex};

use cachekit::{Cache, CacheBuilder, Key, Outcome, Peek, Status, with_status};
use cachekit_test_support::{Proxy, RedisServer, invalidation, named};
use cachekit_tests::{
    Entries, PATIENCE, POLICY, builder, cache, first_poll, item, patient_builder, soon, until,
    until_async, until_linked,
};

async fn load() -> Result<u64, ()> {
    Ok(1)
}

async fn status(cache: &Cache, key: Key) -> Status {
    let (value, status) = soon(with_status(cache.get_or_load(key, &POLICY, load))).await;
    assert_eq!(value, Ok(1));
    status
}

/// Cuts the cache off from its server and waits until it knows.
async fn cut_off(proxy: &Proxy, cache: &Cache) {
    proxy.refuse(true);
    proxy.cut();
    until_linked(cache, false).await;
}

#[tokio::test]
async fn writers_of_one_key_share_commands() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let builder = patient_builder(&proxy.url()).await;
    let cache = builder.invalidate_wait(PATIENCE).build().unwrap();
    let unlinks = proxy.hold(invalidation);
    let mut writers = Vec::new();
    for writer in 0..100 {
        let mut writing = Box::pin(cache.invalidate(item(1)));
        assert!(first_poll(writing.as_mut()).is_pending());
        if writer == 0 {
            until("the first is on its way", || unlinks.waiting() == 1).await;
        }
        writers.push(writing);
    }
    drop(unlinks);
    for writer in writers {
        assert_eq!(soon(writer).await, Outcome::Applied);
    }
    assert_eq!(proxy.count(invalidation), 2, "one under way, and one for all that came after");
}

type Letters = Arc<Mutex<Vec<(Key, u32)>>>;

fn with_hook(builder: CacheBuilder) -> (Cache, Letters) {
    let letters = Letters::default();
    let heard = letters.clone();
    let builder = builder.on_dead_letter(move |letter| {
        heard.lock().unwrap().push((letter.key.clone(), letter.tries));
        panic!("a hook's panic must not end the queue");
    });
    (builder.build().unwrap(), letters)
}

#[tokio::test]
async fn dead_letter_after_three_quick_tries_and_success_when_the_server_is_back() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (cache, letters) = with_hook(builder(&proxy.url()).await);
    let other = self::cache(&server.url()).await;
    assert_eq!(status(&cache, item(1)).await, Status::Loaded);
    cut_off(&proxy, &cache).await;
    assert_eq!(cache.invalidate(item(1)).await, Outcome::Pending);
    until("somebody was told", || !letters.lock().unwrap().is_empty()).await;
    assert_eq!(status(&cache, item(1)).await, Status::Bypassed);
    assert_eq!(other.peek::<u64>(&item(1)).await, Peek::Hit(1), "it is pending, as was said");
    proxy.refuse(false);
    let mut entries = Entries::of(&server);
    until("the invalidation went through", || entries.pttl("item:1") == -2).await;
    until_async("it is cached again", async || status(&cache, item(1)).await != Status::Bypassed)
        .await;
    assert_eq!(status(&cache, item(1)).await, Status::Hit);
    assert_eq!(*letters.lock().unwrap(), [(item(1), 3)], "once, after three tries");
}

#[tokio::test]
async fn slow_retries_end_with_the_next_success() {
    let server = RedisServer::start();
    let (cache, letters) = with_hook(builder(&server.url()).await);
    server.config_set("min-replicas-to-write", "1");
    assert_eq!(cache.invalidate(item(1)).await, Outcome::Pending);
    until("it is tried every 30 s only", || !letters.lock().unwrap().is_empty()).await;
    server.config_set("min-replicas-to-write", "0");
    // The link was up all the time: nothing but a success tells that Redis takes writes again.
    assert_eq!(cache.invalidate(item(2)).await, Outcome::Applied);
    soon(until_async("the key is clean", async || status(&cache, item(1)).await == Status::Hit))
        .await;
}

#[tokio::test]
async fn another_writer_ends_the_wait_for_a_slow_retry() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (cache, letters) = with_hook(builder(&proxy.url()).await);
    server.config_set("min-replicas-to-write", "1");
    assert_eq!(cache.invalidate(item(1)).await, Outcome::Pending);
    until("it is tried every 30 s only", || !letters.lock().unwrap().is_empty()).await;
    for tries in 4..8 {
        assert_eq!(cache.invalidate(item(1)).await, Outcome::Pending);
        assert_eq!(proxy.count(invalidation), tries);
    }
    server.config_set("min-replicas-to-write", "0");
    assert_eq!(cache.invalidate(item(1)).await, Outcome::Applied);
    assert_eq!(status(&cache, item(1)).await, Status::Loaded);
    assert_eq!(letters.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn full_queue_is_read_past_until_the_namespace_was_swept() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (cache, letters) = with_hook(builder(&proxy.url()).await.queue_limit(2));
    for id in 0..4 {
        assert_eq!(status(&cache, item(id)).await, Status::Loaded);
    }
    let mut entries = Entries::of(&server);
    entries.raw(&["SET", "ck:theirs:item:1", "x"]);
    cut_off(&proxy, &cache).await;
    for (key, outcome) in cache.invalidate_many([item(0), item(1), item(2)]).await {
        assert_eq!(outcome, Outcome::Pending, "{key:?}");
    }
    assert_eq!(letters.lock().unwrap()[0], (item(2), 0), "there was no room for it");
    proxy.refuse(false);
    until("all entries are gone", || entries.keys("ck:t:").is_empty()).await;
    until_async("it is cached again", async || status(&cache, item(2)).await != Status::Bypassed)
        .await;
    assert_eq!(status(&cache, item(2)).await, Status::Hit);
    assert_eq!(status(&cache, item(3)).await, Status::Loaded, "nothing was invalidated but all");
    assert_eq!(entries.keys("ck:theirs:").len(), 1, "another namespace is not ours to sweep");
}

/// A reader of any key while the queue is full, and a key that finds it full while the sweep runs.
#[tokio::test]
async fn overflow_during_a_sweep_is_swept_once_more() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = patient_builder(&proxy.url()).await.queue_limit(1).build().unwrap();
    let other = self::cache(&server.url()).await;
    assert_eq!(status(&cache, item(3)).await, Status::Loaded);
    let unlinks = proxy.hold(invalidation);
    let replies = proxy.hold_replies(named("SCAN"));
    assert_eq!(cache.invalidate_many([item(0), item(1)]).await[1].1, Outcome::Pending);
    assert_eq!(status(&cache, item(3)).await, Status::Bypassed, "all keys are read past");
    unlinks.release(100);
    until("the sweep has looked", || replies.waiting() == 1).await;
    // What comes after that look is not among the keys that it saw.
    assert_eq!(status(&other, item(2)).await, Status::Loaded);
    let mut first = pin!(cache.invalidate_many([item(0), item(2)]));
    assert!(first_poll(first.as_mut()).is_pending());
    drop((unlinks, replies));
    assert_eq!(soon(first).await[1].1, Outcome::Pending);
    let mut entries = Entries::of(&server);
    until("the overflow was made good", || entries.pttl("item:2") == -2).await;
    until_async("it is cached again", async || status(&cache, item(2)).await != Status::Bypassed)
        .await;
    assert_eq!(status(&cache, item(2)).await, Status::Hit);
}
