//! Old values in the place of errors, over Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cachekit::{Cache, Freshness, Status, cached, with_freshness, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{Polls, cache, soon, until_linked};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// An error that can be cloned, so that all who wait for a load share it.
#[derive(Clone, Debug, PartialEq)]
struct Away;

#[derive(Debug, Default)]
struct Source {
    away: AtomicBool,
    loads: AtomicUsize,
    go: Option<Notify>,
}

impl Source {
    async fn load(&self) -> Result<u64, Away> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        match &self.go {
            Some(go) if self.is_away() => go.notified().await,
            _ => tokio::task::yield_now().await,
        }
        if self.is_away() { Err(Away) } else { Ok(1) }
    }

    fn is_away(&self) -> bool {
        self.away.load(Ordering::SeqCst)
    }

    fn loads(&self) -> usize {
        self.loads.swap(0, Ordering::SeqCst)
    }
}

#[cached(key = "kept:<id>", ttl = "20ms", stale_if_error = "1h")]
async fn kept(source: &Source, id: u64) -> Result<u64, Away> {
    let _ = id;
    source.load().await
}

#[cached(key = "known:<id>", ttl = "20ms", stale_if_error = "1h", even_invalidated)]
async fn known(source: &Source, id: u64) -> Result<u64, Away> {
    let _ = id;
    source.load().await
}

/// 1 is cached for this key, past its TTL, and the source is away.
async fn old(cache: &Cache, source: &Source, id: u64) {
    source.away.store(false, Ordering::SeqCst);
    assert_eq!(cache.scope(kept(source, id)).await, Ok(1));
    assert_eq!(cache.scope(known(source, id)).await, Ok(1));
    tokio::time::sleep(Duration::from_millis(25)).await;
    source.away.store(true, Ordering::SeqCst);
    source.loads();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_of_a_source_that_fails_share_the_old_value() {
    let server = RedisServer::start();
    let (cache, source) = (cache(&server.url()).await, Arc::new(Source::default()));
    old(&cache, &source, 1).await;
    let mut readers = JoinSet::new();
    for _ in 0..100 {
        let (cache, source) = (cache.clone(), source.clone());
        readers.spawn(async move { with_status(cache.scope(kept(&source, 1))).await });
    }
    for answer in readers.join_all().await {
        assert_eq!(answer, (Ok(1), Status::Stale));
    }
    assert_eq!(source.loads(), 1);
    let answer = with_freshness(cache.scope(kept(&source, 1))).await;
    assert_eq!(answer, Freshness::Stale(Ok(1)));
    assert_eq!(cache.scope(kept(&source, 2)).await, Err(Away), "it was never cached");
}

#[tokio::test]
async fn an_invalidation_by_another_process_during_the_load_leaves_nothing_to_answer_with() {
    let server = RedisServer::start();
    let (one, two) = (cache(&server.url()).await, cache(&server.url()).await);
    let source = Source { go: Some(Notify::new()), ..Source::default() };
    old(&one, &source, 1).await;
    let invalidates = async {
        while source.loads.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        two.invalidate(kept_key(1)).await;
        source.go.as_ref().unwrap().notify_one();
    };
    let (out, ()) = tokio::join!(one.scope(kept(&source, 1)), invalidates);
    assert_eq!(out, Err(Away));
}

#[tokio::test]
async fn with_redis_away_too_only_what_was_asked_for_by_name_is_answered() {
    let mut server = RedisServer::start();
    let (cache, source) = (cache(&server.url()).await, Source::default());
    old(&cache, &source, 1).await;
    server.kill();
    until_linked(&cache, false).await;
    assert_eq!(cache.scope(kept(&source, 1)).await, Err(Away));
    source.loads();
    for _ in 0..3 {
        let (out, status) = with_status(cache.scope(known(&source, 1))).await;
        assert_eq!((out, status), (Ok(1), Status::Stale));
    }
    assert_eq!(source.loads(), 1, "it is left alone for a while");
}

#[tokio::test]
async fn what_was_invalidated_is_answered_only_by_name() {
    let server = RedisServer::start();
    let (one, two) = (cache(&server.url()).await, cache(&server.url()).await);
    let source = Source::default();
    old(&one, &source, 1).await;
    two.invalidate_many([kept_key(1), known_key(1)]).await;
    assert_eq!(one.scope(kept(&source, 1)).await, Err(Away));
    let (out, status) = with_status(one.scope(known(&source, 1))).await;
    assert_eq!((out, status), (Ok(1), Status::Stale));
    assert_eq!(two.scope(known(&source, 1)).await, Err(Away), "it never had it in its hands");
}

#[tokio::test]
async fn a_caller_that_goes_away_while_it_falls_back_holds_nobody_up() {
    let server = RedisServer::start();
    let (one, two) = (cache(&server.url()).await, cache(&server.url()).await);
    let source = Source::default();
    for (id, polls) in (0..).zip(0..) {
        old(&one, &source, id).await;
        let done = Polls::new(one.scope(kept(&source, id)), polls).await.is_some();
        for survivor in [&one, &two] {
            let answer = soon(with_status(survivor.scope(kept(&source, id)))).await;
            assert_eq!(answer, (Ok(1), Status::Stale), "after {polls} polls");
        }
        if done {
            assert!(polls >= 4, "a probe, the load and a look are awaits: {polls}");
            return;
        }
    }
}
