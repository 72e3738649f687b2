//! A fence holds as long as nobody invalidated its keys, in any process.

use cachekit::{Cache, Key, Outcome, key};
use cachekit_test_support::{Proxy, RedisServer, invalidation};
use cachekit_tests::{
    POLICY, Polls, cache, item, patient_builder, soon, two_handles, until, until_linked,
};

fn org(org: u64) -> Key {
    key!("org:<org>")
}

#[tokio::test]
async fn a_fence_holds_until_one_of_its_keys_is_invalidated() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let fence = one.fence(&[org(1), org(2)]).await;
        assert!(one.verify(&fence).await);
        other.invalidate(org(3)).await;
        assert!(one.verify(&fence).await);
        assert_eq!(other.invalidate(org(2)).await, Outcome::Applied);
        assert!(!one.verify(&fence).await);
        // It does not mend.
        assert!(!one.verify(&fence).await);
        let again = one.fence(&[org(1), org(2)]).await;
        assert!(one.verify(&again).await);
    }
}

#[tokio::test]
async fn what_drops_a_tag_breaks_the_fences_around_it() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let fence = one.fence(&[org(1)]).await;
        assert_eq!(other.invalidate_tag(org(1)).await, Outcome::Applied);
        assert!(!one.verify(&fence).await);
    }
}

#[tokio::test]
async fn loads_and_fills_of_its_keys_leave_a_fence_whole() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let fence = one.fence(&[item(1)]).await;
        let load = async || Ok::<_, ()>(1_u64);
        one.get_or_load(item(1), &POLICY, load).await.unwrap();
        other.tagged([item(1)]).get_or_load(item(2), &POLICY, load).await.unwrap();
        assert!(one.verify(&fence).await);
    }
}

#[tokio::test]
async fn an_invalidation_between_begin_and_end_is_seen_however_they_meet() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        for round in 0..200_u64 {
            let fence = one.fence(&[item(round)]).await;
            let invalidate = tokio::spawn({
                let other = other.clone();
                async move { other.invalidate(item(round)).await }
            });
            // Before or after: what counts is an invalidation that has returned.
            one.verify(&fence).await;
            assert_eq!(invalidate.await.unwrap(), Outcome::Applied);
            assert!(!one.verify(&fence).await, "round {round}");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_dirty_breaks_its_fences() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = patient_builder(&proxy.url()).await.build().unwrap();
    let before = cache.fence(&[org(1)]).await;
    let held = proxy.hold(invalidation);
    assert_eq!(cache.invalidate(org(1)).await, Outcome::Pending);
    assert!(cache.is_dirty([&org(1)]) && !cache.is_dirty([&org(2)]));
    assert!(!cache.verify(&before).await);
    let during = cache.fence(&[org(1)]).await;
    drop(held);
    until("the invalidation is through", || !cache.is_dirty([&org(1)])).await;
    assert!(!cache.verify(&during).await);
    let after = cache.fence(&[org(1)]).await;
    assert!(cache.verify(&after).await);
}

#[tokio::test]
async fn a_lost_generation_breaks_the_fence() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let fence = cache.fence(&[org(1)]).await;
    server.connection().call(&[b"FLUSHALL"]);
    assert!(!cache.verify(&fence).await);
}

#[tokio::test]
async fn without_redis_no_fence_holds_and_nobody_waits() {
    let mut server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let before = cache.fence(&[org(1)]).await;
    server.kill();
    until_linked(&cache, false).await;
    assert!(!soon(cache.verify(&before)).await);
    let during = soon(cache.fence(&[org(1)])).await;
    assert!(!soon(cache.verify(&during)).await);
}

#[tokio::test]
async fn a_fence_around_nothing_and_one_of_another_cache_never_hold() {
    let [one, other] = [Cache::builder().build().unwrap(), Cache::builder().build().unwrap()];
    let fence = one.fence(&[org(1)]).await;
    assert!(one.verify(&fence).await && !other.verify(&fence).await);
    let nothing = one.fence(&[]).await;
    assert!(!one.verify(&nothing).await);
    let disabled = Cache::disabled();
    let fence = disabled.fence(&[org(1)]).await;
    assert!(!disabled.verify(&fence).await && !disabled.is_dirty([&org(1)]));
    assert_eq!(format!("{nothing:?} {fence:?}").matches("org:1").count(), 0);
}

/// Dropped between command and reply, it leaves nothing that a later fence would trip over.
#[tokio::test]
async fn fences_can_be_dropped_at_any_time() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        for polls in 0..4 {
            drop(Polls::new(one.fence(&[org(1)]), polls).await);
            let fence = one.fence(&[org(1)]).await;
            Polls::new(one.verify(&fence), polls).await;
            assert!(one.verify(&fence).await);
            other.invalidate(org(1)).await;
            assert!(!one.verify(&fence).await);
        }
    }
}
