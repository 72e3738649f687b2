//! Hits that a caller is given without getting ready for a load.

use std::time::Duration;

use cachekit_core::{Cache, Policy, Status, Tagged, Ttl, bypass, refresh, testing, with_status};

use super::key;

const TEN: Policy = Policy::from_parts(Ttl::from_millis(10_000, 0), None);

async fn load(tagged: &Tagged<'_>) {
    let loaded = || async { Ok::<_, ()>(1_u64) };
    tagged.get_or_refresh(key(1), &TEN, loaded).await.unwrap();
}

fn hit(tagged: &Tagged<'_>) -> Option<u64> {
    tagged.hit(&key(1), &TEN)
}

#[tokio::test]
async fn what_this_process_has_is_a_hit_under_its_tags_until_one_is_invalidated() {
    let cache = Cache::builder().build().unwrap();
    let (tagged, other) = (cache.tagged([key(7)]), cache.tagged([key(8)]));
    assert_eq!(hit(&tagged), None);
    load(&tagged).await;
    assert_eq!((hit(&tagged), hit(&other)), (Some(1), None));
    assert_eq!(tagged.hit::<String>(&key(1), &TEN), None, "another type");
    cache.invalidate_tag(key(7)).await;
    assert_eq!(hit(&tagged), None);
    load(&tagged).await;
    cache.invalidate(key(1)).await;
    assert_eq!(hit(&tagged), None);
}

#[tokio::test]
async fn who_wants_no_cached_value_is_given_none() {
    let cache = Cache::builder().build().unwrap();
    let tagged = cache.tagged([key(7)]);
    load(&tagged).await;
    let look = async || hit(&tagged);
    assert_eq!(with_status(look()).await, (Some(1), Status::Bypassed), "it is told nothing");
    assert_eq!(refresh(look()).await, None);
    assert_eq!(bypass(look()).await, None);
}

#[tokio::test]
async fn what_is_over_or_absent_or_in_no_cache_is_no_hit() {
    let (clock, builder) = testing::clock();
    let cache = builder.build().unwrap();
    let tagged = cache.tagged([key(7)]);
    let loaded = async || Ok::<_, ()>(1_u64);
    // It says nothing of its age but its end.
    tagged.get_or_load(key(1), &TEN, loaded).await.unwrap();
    clock.advance(Duration::from_millis(9_999));
    assert_eq!(hit(&tagged), Some(1));
    clock.advance(Duration::from_millis(1));
    assert_eq!(hit(&tagged), None);
    let absent = async || Ok::<_, ()>(None::<u64>);
    let policy = TEN.negative_ttl(Duration::from_secs(10));
    tagged.get_or_load_optional(key(1), &policy, absent).await.unwrap();
    assert_eq!(hit(&tagged), None);
    let none = Cache::disabled();
    assert_eq!(hit(&none.tagged([key(7)])), None);
}

/// A clone is the user's code.
#[tokio::test]
async fn a_value_is_cloned_where_it_may_run_anything() {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Curious(u64);

    impl Clone for Curious {
        fn clone(&self) -> Self {
            let cache = Cache::disabled();
            let mut inside = std::pin::pin!(cache.scope(async {}));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(inside.as_mut().poll(&mut cx).is_ready());
            Self(self.0)
        }
    }

    let cache = Cache::builder().build().unwrap();
    let tagged = cache.tagged([key(7)]);
    let load = || async { Ok::<_, ()>(Curious(1)) };
    tagged.get_or_refresh(key(1), &TEN, load).await.unwrap();
    let look = async || tagged.hit::<Curious>(&key(1), &TEN);
    assert_eq!(cache.scope(look()).await, Some(Curious(1)));
}

/// A read would begin it. Asked by chance whether it does, a hit would make that less likely.
#[tokio::test]
async fn nothing_is_a_hit_behind_which_a_load_may_be_due() {
    let (clock, builder) = testing::clock();
    let cache = builder.build().unwrap();
    let tagged = cache.tagged([key(7)]);
    load(&tagged).await;
    let by_margin = TEN.refresh_ahead(Duration::from_secs(2));
    clock.advance(Duration::from_millis(7_999));
    assert_eq!(tagged.hit::<u64>(&key(1), &by_margin), Some(1));
    clock.advance(Duration::from_millis(2));
    assert_eq!(tagged.hit::<u64>(&key(1), &by_margin), None);
    assert_eq!(hit(&tagged), Some(1));
    // It took no time to load: by chance it may be due in the last 40 ms.
    clock.advance(Duration::from_millis(1_959));
    assert_eq!(hit(&tagged), None);
    let still_there = with_status(tagged.get_or_load(key(1), &TEN, async || Ok::<_, ()>(2)));
    assert_eq!(still_there.await, (Ok(1_u64), Status::Hit));
}
