//! Every doubt is a "perhaps".

use cachekit::{Cache, ErrorKind, bloom::Bloom};
use cachekit_test_support::{RedisServer, Reply};
use cachekit_tests::{cache, until_async, until_linked};

use super::{NOBODY, filled, filter, ids, is_live};

#[tokio::test]
async fn absent_is_said_by_every_process_and_of_nothing_that_was_added() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let writer = filled(&a).await;
    let reader = filter(&b);
    assert!(!reader.may_contain(NOBODY).await && !writer.may_contain(NOBODY).await);
    for id in 0..10 {
        assert!(reader.may_contain(id).await);
    }
    writer.add(NOBODY).await.unwrap().confirm().await.unwrap();
    assert!(reader.may_contain(NOBODY).await && writer.may_contain(NOBODY).await);
    assert_eq!(reader.stats().await.unwrap().ids, 11);
}

#[tokio::test]
async fn without_redis_the_filter_is_this_process_alone() {
    let cache = Cache::builder().build().unwrap();
    let bloom = filter(&cache);
    assert!(bloom.may_contain(NOBODY).await, "nobody knows before the first rebuild");
    bloom.rebuild(|| ids(0..10)).await.unwrap();
    assert!(bloom.may_contain(3).await && !bloom.may_contain(NOBODY).await);
    bloom.add(NOBODY).await.unwrap().confirm().await.unwrap();
    assert!(bloom.may_contain(NOBODY).await);
}

#[tokio::test]
async fn a_disabled_cache_lets_everything_pass() {
    let bloom = filter(&Cache::disabled());
    bloom.rebuild(|| ids(0..10)).await.unwrap();
    bloom.add(1).await.unwrap().confirm().await.unwrap();
    assert!(bloom.may_contain(NOBODY).await);
    assert!(!is_live(&bloom).await);
}

/// What is done to a live filter, after which nobody may be told that an id is absent.
async fn loses_trust(what: &[&[u8]]) {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let bloom = filled(&cache).await;
    assert!(!bloom.may_contain(NOBODY).await);
    for command in what.split(|arg| arg.is_empty()) {
        assert!(!matches!(server.connection().call(command), Reply::Error(_)));
    }
    assert!(bloom.may_contain(NOBODY).await && !is_live(&bloom).await);
    // Nothing can be added to what is gone, and that is no error: a rebuild will find it.
    bloom.add(99).await.unwrap().confirm().await.unwrap();
    assert!(bloom.may_contain(NOBODY).await);
    bloom.rebuild(|| ids(0..10)).await.unwrap();
    assert!(is_live(&bloom).await && bloom.may_contain(3).await);
    assert!(!bloom.may_contain(NOBODY).await);
}

#[tokio::test]
async fn a_flush_is_a_doubt() {
    loses_trust(&[b"FLUSHALL"]).await;
}

#[tokio::test]
async fn an_evicted_filter_is_a_doubt() {
    loses_trust(&[b"DEL", b"ck~bf:t:users"]).await;
}

#[tokio::test]
async fn bits_that_came_back_without_their_voucher_are_a_doubt() {
    loses_trust(&[b"DEL", b"ck~bf:t:users", b"", b"SETBIT", b"ck~bf:t:users", b"200000", b"1"])
        .await;
}

#[tokio::test]
async fn a_restart_from_a_snapshot_is_a_doubt_until_the_next_rebuild() {
    let mut server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let bloom = filled(&cache).await;
    assert!(!bloom.may_contain(NOBODY).await);
    server.connection().call(&["SAVE"]);
    // After the snapshot, so that it will be lost.
    bloom.add(NOBODY).await.unwrap().confirm().await.unwrap();
    server.restart();
    until_linked(&cache, true).await;
    assert_eq!(server.connection().call(&["EXISTS", "ck~bf:t:users"]), Reply::Int(1), "it is back");
    let late = filter(&cache);
    for bloom in [&bloom, &late] {
        assert!(bloom.may_contain(NOBODY).await && bloom.may_contain(-2).await);
        assert!(!is_live(bloom).await);
    }
    bloom.rebuild(|| ids([NOBODY])).await.unwrap();
    assert!(bloom.may_contain(NOBODY).await && !bloom.may_contain(3).await);
    until_async("the other handle looks again", async || !late.may_contain(3).await).await;
}

#[tokio::test]
async fn while_redis_is_away_everything_passes_and_nothing_can_be_added() {
    let mut server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let bloom = filled(&cache).await;
    server.kill();
    assert!(bloom.may_contain(NOBODY).await);
    let error = bloom.add(11).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let error = bloom.rebuild(|| ids(0..10)).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_server_that_refuses_inserts_is_not_believed() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let bloom = filled(&cache).await;
    assert!(!bloom.may_contain(NOBODY).await);
    server.config_set("min-replicas-to-write", "1");
    assert!(bloom.may_contain(NOBODY).await);
    assert!(bloom.add(11).await.is_err());
    server.config_set("min-replicas-to-write", "0");
    assert!(!bloom.may_contain(NOBODY).await);
}

#[tokio::test]
async fn a_server_out_of_memory_still_takes_ids() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let bloom = filled(&cache).await;
    server.config_set("maxmemory", "1");
    assert!(bloom.may_contain(NOBODY).await, "questions count as writes, and are refused");
    bloom.add(11).await.unwrap().confirm().await.unwrap();
    server.config_set("maxmemory", "0");
    assert!(bloom.may_contain(11).await && !bloom.may_contain(NOBODY).await);
}

#[tokio::test]
async fn a_filter_of_another_version_is_neither_believed_nor_written_to() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let bloom = filled(&cache).await;
    server.connection().call(&[&b"SETRANGE"[..], b"ck~bf:t:users", b"4", b"\x02"]);
    let bloom = {
        drop(bloom);
        filter(&cache)
    };
    assert!(bloom.may_contain(NOBODY).await);
    assert!(bloom.add(11).await.is_err(), "what it does not have must not be committed");
}

#[tokio::test]
async fn filters_of_one_name_in_two_namespaces_are_two() {
    let server = RedisServer::start();
    let bloom = filled(&cache(&server.url()).await).await;
    let builder = Cache::builder().namespace("u").redis(&server.url()).await.unwrap();
    let other = filter(&builder.build().unwrap());
    assert!(!bloom.may_contain(NOBODY).await && other.may_contain(NOBODY).await);
}

#[tokio::test]
async fn numbers_and_names_that_make_no_filter_are_refused() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let refused = |builder: cachekit::bloom::BloomBuilder<i64>| {
        let error = builder.build(&cache).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.message().to_owned()
    };
    assert!(refused(Bloom::builder("a:b")).contains("is no name of a filter"));
    assert!(refused(Bloom::builder("a").expected(0)).contains("at least 1"));
    assert!(refused(Bloom::builder("a").false_positives(0.0)).contains("give 0.000001 to 0.5"));
    assert!(refused(Bloom::builder("a").expected(1 << 30)).contains("more than 256 MB"));
}
