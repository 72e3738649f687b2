//! The store in memory that fails on command: what users test their services with.

use std::time::Duration;

use cachekit::{
    Cache, Outcome, Status, cached, invalidates,
    testing::{self, Faults, Recorded, Recorder},
    with_status,
};
use cachekit_tests::{NAMESPACE, POLICY, cached as must_be_cached, item, soon, until_async};

async fn cache(redis: &Faults) -> Cache {
    cachekit_tests::cache(redis.url()).await
}

async fn read(cache: &Cache, id: u64, value: u64) -> (u64, Status) {
    let load = cache.get_or_load(item(id), &POLICY, async || Ok::<_, ()>(value));
    let (read, status) = soon(with_status(load)).await;
    (read.unwrap(), status)
}

/// Reads until a read is no more past the cache.
async fn until_up(cache: &Cache) {
    until_async("the cache uses the store", async || {
        read(cache, fastrand::u64(1 << 40..), 0).await.1 != Status::Bypassed
    })
    .await;
}

#[tokio::test]
async fn caches_share_it_as_they_would_share_a_redis() {
    let redis = testing::faulty();
    let (a, b) = (cache(&redis).await, cache(&redis).await);
    assert_eq!(read(&a, 1, 10).await, (10, Status::Loaded));
    assert_eq!(read(&b, 1, 20).await, (10, Status::Hit));
    assert_eq!(b.invalidate(item(1)).await, Outcome::Applied);
    assert_eq!(read(&a, 1, 30).await, (30, Status::Loaded));
    assert_eq!(redis.len(), 1);
    a.shutdown().await.unwrap();
    assert_eq!(read(&a, 1, 40).await, (40, Status::Bypassed));
    assert_eq!(read(&b, 1, 40).await, (30, Status::Hit));
}

#[tokio::test]
async fn a_refused_command_is_a_read_past_the_cache() {
    let redis = testing::faulty();
    let cache = cache(&redis).await;
    redis.fail_next(1);
    assert_eq!(read(&cache, 1, 10).await, (10, Status::Bypassed));
    assert_eq!(read(&cache, 1, 20).await, (20, Status::Loaded));
    redis.refuse_all(true);
    assert_eq!(read(&cache, 1, 30).await, (30, Status::Bypassed));
    assert_eq!(cache.invalidate(item(1)).await, Outcome::Pending);
    // Not known to be gone from the store, so it is not read from there.
    assert_eq!(read(&cache, 1, 40).await, (40, Status::Bypassed));
}

#[tokio::test]
async fn a_lost_reply_leaves_a_writer_pending_and_the_key_barred_until_it_is_repeated() {
    let redis = testing::faulty();
    let (writer, reader) = (cache(&redis).await, cache(&redis).await);
    read(&writer, 1, 10).await;
    redis.lose_replies(1);
    // The first try was carried out, and nobody knows; the next one is made over another connection.
    let outcome = soon(writer.invalidate(item(1))).await;
    assert_eq!(read(&writer, 1, 20).await.0, 20);
    until_up(&reader).await;
    assert_eq!(read(&reader, 1, 20).await.0, 20, "{outcome:?}");
    until_async("the key is read through the cache again", async || {
        read(&writer, 1, 20).await.1 == Status::Hit
    })
    .await;
}

#[tokio::test]
async fn a_store_that_is_down_fails_nobody_and_is_used_again_when_it_is_up() {
    let redis = testing::faulty();
    let cache = cache(&redis).await;
    read(&cache, 1, 10).await;
    redis.down();
    assert_eq!(read(&cache, 1, 20).await, (20, Status::Bypassed));
    assert_eq!(cache.invalidate(item(1)).await, Outcome::Pending);
    redis.up();
    until_up(&cache).await;
    until_async("the invalidation gets through", async || {
        read(&cache, 1, 30).await == (30, Status::Hit)
    })
    .await;
    // It comes back empty from a restart.
    redis.restart();
    until_up(&cache).await;
    assert_eq!(read(&cache, 1, 40).await.0, 40);
}

#[tokio::test]
async fn a_store_that_is_slow_is_waited_for_and_one_that_is_frozen_is_not() {
    let redis = testing::faulty();
    let cache = cache(&redis).await;
    redis.delay(Duration::from_millis(20));
    let begun = std::time::Instant::now();
    assert_eq!(read(&cache, 1, 10).await, (10, Status::Loaded));
    assert!(begun.elapsed() >= Duration::from_millis(40), "a probe and a fill");
    redis.delay(Duration::from_secs(60));
    assert_eq!(read(&cache, 2, 10).await, (10, Status::Bypassed));
}

#[tokio::test]
async fn entries_end_by_the_clock_of_the_test() {
    let (clock, builder) = testing::clock();
    let redis = testing::faulty();
    redis.go_by(&clock);
    let builder = builder.namespace(NAMESPACE).redis(redis.url()).await.unwrap();
    let cache = builder.build().unwrap();
    read(&cache, 1, 10).await;
    clock.advance(Duration::from_secs(59));
    assert_eq!(read(&cache, 1, 20).await, (10, Status::Hit));
    clock.advance(Duration::from_secs(1));
    assert_eq!(read(&cache, 1, 20).await, (20, Status::Loaded));
    assert_eq!(redis.len(), 1);
    redis.flush();
    assert!(redis.is_empty());
}

#[tokio::test]
async fn it_lives_as_long_as_its_handle_or_a_cache_that_is_connected() {
    let redis = testing::faulty();
    let url = redis.url().to_owned();
    let cache = cachekit_tests::cache(&url).await;
    drop(redis);
    read(&cache, 1, 10).await;
    let value = cache.get_or_load(item(1), &POLICY, must_be_cached::<u64>).await;
    assert_eq!(value, Ok(10));
}

#[cached(key = "price:<id>", ttl = "1h")]
async fn price(id: u64) -> u64 {
    id * 100
}

#[invalidates(price(id))]
async fn set_price(id: u64) {}

#[tokio::test]
async fn what_a_cache_does_is_recorded_by_template() {
    let redis = testing::faulty();
    let recorder = Recorder::new();
    let shared = Cache::builder().namespace(NAMESPACE).redis(redis.url()).await.unwrap();
    for builder in [Cache::builder(), shared] {
        let cache = builder.record(&recorder).build().unwrap();
        let prices = async || {
            price(1).await;
            price(1).await;
            price(2).await;
            set_price(1).await;
        };
        cache.scope(prices()).await;
        let count = |what| recorder.count("price:<id>", what);
        assert_eq!(count(Recorded::Read(Status::Loaded)), 2);
        assert_eq!(count(Recorded::Read(Status::Hit)), 1);
        assert_eq!(count(Recorded::Invalidated(Outcome::Applied)), 1);
        assert_eq!(recorder.events().len(), 4);
        recorder.clear();

        // An invalidation in mid-load.
        let slow = cache.get_or_load(item(7), &POLICY, async || {
            cache.invalidate(item(7)).await;
            Ok::<_, ()>(7_u64)
        });
        slow.await.unwrap();
        assert_eq!(recorder.count("item:<id>", Recorded::FillRefused), 1);
        recorder.clear();
    }
    redis.fail_next(1);
}
