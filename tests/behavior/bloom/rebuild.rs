//! Rebuilding: one at a time, inserts in between, nothing lost by what goes wrong.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use cachekit::{
    Cache, ErrorKind,
    bloom::{Bloom, Rebuilt},
};
use cachekit_test_support::RedisServer;
use cachekit_tests::{cache, patient_builder, soon};
use futures_core::Stream;
use tokio::sync::mpsc;

use super::{NOBODY, filled, filter, ids, is_live};

/// Ids as a test hands them out.
struct Channel(mpsc::UnboundedReceiver<Result<i64, &'static str>>);

impl Stream for Channel {
    type Item = Result<i64, &'static str>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

/// A rebuild whose scan has begun and gets its ids from the sender.
async fn scanning(
    bloom: &Bloom<i64>,
) -> (
    mpsc::UnboundedSender<Result<i64, &'static str>>,
    tokio::task::JoinHandle<Result<Rebuilt, cachekit::Error>>,
) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (begun, scans) = tokio::sync::oneshot::channel();
    let bloom = bloom.clone();
    let task = tokio::spawn(async move {
        let ids = move || {
            begun.send(()).unwrap();
            Channel(receiver)
        };
        bloom.rebuild(ids).await
    });
    soon(scans).await.unwrap();
    (sender, task)
}

async fn both() -> (RedisServer, [Cache; 2]) {
    let server = RedisServer::start();
    let shared = cache(&server.url()).await;
    (server, [Cache::builder().build().unwrap(), shared])
}

#[tokio::test]
async fn deleted_ids_are_absent_after_a_rebuild_and_not_before() {
    let (_server, caches) = both().await;
    for cache in caches {
        let bloom = filled(&cache).await;
        let (sender, task) = scanning(&bloom).await;
        sender.send(Ok(100)).unwrap();
        assert!(
            bloom.may_contain(3).await && !bloom.may_contain(100).await,
            "the old one is asked"
        );
        drop(sender);
        assert_eq!(soon(task).await.unwrap().unwrap(), Rebuilt::Live { ids: 1 });
        assert!(bloom.may_contain(100).await && !bloom.may_contain(3).await);
    }
}

#[tokio::test]
async fn what_is_inserted_during_a_rebuild_is_in_the_old_filter_and_in_the_new_one() {
    let (_server, caches) = both().await;
    for cache in caches {
        let bloom = filled(&cache).await;
        let (sender, task) = scanning(&bloom).await;
        bloom.add(NOBODY).await.unwrap().confirm().await.unwrap();
        assert!(bloom.may_contain(NOBODY).await);
        drop(sender);
        soon(task).await.unwrap().unwrap();
        assert!(bloom.may_contain(NOBODY).await);
        assert_eq!(bloom.stats().await.unwrap().ids, 1);
    }
}

#[tokio::test]
async fn of_two_rebuilds_at_once_one_does_the_work() {
    let (_server, caches) = both().await;
    for cache in caches {
        let bloom = filter(&cache);
        let (sender, task) = scanning(&bloom).await;
        let second = bloom.rebuild(|| -> super::Ids<std::vec::IntoIter<i64>> { unreachable!() });
        assert_eq!(second.await.unwrap(), Rebuilt::Elsewhere);
        sender.send(Ok(5)).unwrap();
        drop(sender);
        assert_eq!(soon(task).await.unwrap().unwrap(), Rebuilt::Live { ids: 1 });
        assert!(is_live(&bloom).await);
    }
}

#[tokio::test]
async fn a_scan_that_fails_leaves_the_old_filter_in_use() {
    let (_server, caches) = both().await;
    for cache in caches {
        let bloom = filled(&cache).await;
        let (sender, task) = scanning(&bloom).await;
        sender.send(Err("the database went away")).unwrap();
        let error = soon(task).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, "the database went away");
        assert!(bloom.may_contain(3).await && !bloom.may_contain(NOBODY).await);
    }
}

#[tokio::test]
async fn a_rebuild_that_is_dropped_leaves_the_old_filter_in_use() {
    let (_server, caches) = both().await;
    for cache in caches {
        let bloom = filled(&cache).await;
        let (_sender, task) = scanning(&bloom).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        bloom.add(77).await.unwrap().confirm().await.unwrap();
        assert!(bloom.may_contain(77).await && !bloom.may_contain(NOBODY).await);
    }
    // In one process nobody else has to find out that it ended.
    let bloom = filled(&Cache::builder().build().unwrap()).await;
    let (_sender, task) = scanning(&bloom).await;
    task.abort();
    let _ = task.await;
    assert!(matches!(bloom.rebuild(|| ids(0..3)).await, Ok(Rebuilt::Live { ids: 3 })));
}

#[tokio::test]
async fn a_filter_that_is_lost_in_mid_rebuild_is_not_put_to_use() {
    let server = RedisServer::start();
    let bloom = filled(&cache(&server.url()).await).await;
    let (sender, task) = scanning(&bloom).await;
    server.connection().call(&["FLUSHALL"]);
    sender.send(Ok(5)).unwrap();
    drop(sender);
    let error = soon(task).await.unwrap().unwrap_err();
    assert!(error.message().contains("redis lost the filter"), "{error}");
    assert!(!is_live(&bloom).await && bloom.may_contain(NOBODY).await);
}

#[tokio::test]
async fn a_server_that_is_restarted_with_its_data_in_mid_rebuild_is_not_believed() {
    let mut server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let bloom = filled(&cache).await;
    let (sender, task) = scanning(&bloom).await;
    server.connection().call(&["SAVE"]);
    server.restart();
    cachekit_tests::until_linked(&cache, true).await;
    drop(sender);
    let error = soon(task).await.unwrap().unwrap_err();
    assert!(error.message().contains("restarted"), "{error}");
    assert!(!is_live(&bloom).await && bloom.may_contain(NOBODY).await);
}

#[tokio::test]
async fn another_size_is_agreed_on_by_processes_of_both() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let small = filled(&a).await;
    let builder = Bloom::builder("users").expected(500_000).settle(Duration::ZERO);
    let large: Bloom<i64> = builder.build(&b).unwrap();
    assert!(!large.may_contain(NOBODY).await, "it goes by the filter that is there");
    large.add(50).await.unwrap().confirm().await.unwrap();
    assert!(small.may_contain(50).await);

    large.rebuild(|| ids(0..20)).await.unwrap();
    assert_eq!(small.stats().await.unwrap().expected, 500_000);
    small.add(60).await.unwrap().confirm().await.unwrap();
    for bloom in [&small, &large] {
        assert!(bloom.may_contain(60).await && bloom.may_contain(7).await);
        assert!(!bloom.may_contain(50).await && !bloom.may_contain(NOBODY).await);
    }
}

#[tokio::test]
async fn the_stated_share_of_other_ids_passes_and_more_once_it_is_overfull() {
    let server = RedisServer::start();
    let shared = patient_builder(&server.url()).await.build().unwrap();
    for cache in [Cache::builder().build().unwrap(), shared] {
        let bloom = filter(&cache);
        bloom.rebuild(|| ids(0..10_000)).await.unwrap();
        let share = passing(&bloom).await;
        assert!((0.002..0.0125).contains(&share), "{share}");
        let stats = bloom.stats().await.unwrap();
        assert!((9_700..=10_300).contains(&stats.ids), "{stats:?}");
        assert!((share - stats.false_positives).abs() < 0.004, "{share} {stats:?}");

        for from in (10_000..30_000).step_by(1_000) {
            bloom.add_many(from..from + 1_000).await.unwrap().confirm().await.unwrap();
        }
        for id in (0..30_000).step_by(97) {
            assert!(bloom.may_contain(id).await);
        }
        let (share, stats) = (passing(&bloom).await, bloom.stats().await.unwrap());
        assert!((share - stats.false_positives).abs() < 0.03 && share > 0.1, "{share} {stats:?}");
        assert!(stats.ids > 2 * stats.expected, "{stats:?}");
    }
}

/// What share of ids that were never added passes.
async fn passing(bloom: &Bloom<i64>) -> f64 {
    let mut passed = 0;
    for id in 1..=8_000 {
        passed += u32::from(bloom.may_contain(-id).await);
    }
    f64::from(passed) / 8_000.0
}
