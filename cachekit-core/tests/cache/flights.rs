//! Strict singleflight in one process, through the public API.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cachekit_core::{Cache, Outcome, Peek, Policy, Status, Ttl, with_status};
use tokio::sync::{Barrier, Notify, oneshot};

use super::key;

const POLICY: Policy = Policy::from_parts(Ttl::from_millis(60_000, 0), None);

fn cache() -> Cache {
    Cache::builder().build().unwrap()
}

/// An error that cannot be cloned.
#[derive(Debug, PartialEq)]
struct Unlucky(usize);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_cause_one_load() {
    let cache = cache();
    let loads = Arc::new(AtomicUsize::new(0));
    let all_here = Arc::new(Barrier::new(1000));
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            let (cache, loads, all_here) = (cache.clone(), loads.clone(), all_here.clone());
            tokio::spawn(async move {
                all_here.wait().await;
                let load = async || {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    Ok::<_, ()>(7_u64)
                };
                cache.get_or_load(key(1), &POLICY, load).await
            })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Ok(7));
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

/// A loader that says when it has begun and never ends.
async fn stuck(begun: oneshot::Sender<()>) -> Result<u64, ()> {
    begun.send(()).unwrap();
    pending().await
}

#[tokio::test]
async fn follower_takes_over_when_the_leader_is_dropped() {
    let cache = cache();
    let (begun, has_begun) = oneshot::channel();
    let leader = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_load(key(1), &POLICY, async || stuck(begun).await).await }
    });
    has_begun.await.unwrap();
    let follower = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_load(key(1), &POLICY, async || Ok::<_, ()>(8_u64)).await }
    });
    tokio::task::yield_now().await;
    leader.abort();
    assert_eq!(follower.await.unwrap(), Ok(8));
}

#[tokio::test]
async fn follower_takes_over_when_the_leader_panics() {
    let cache = cache();
    let go = Arc::new(Notify::new());
    let (begun, has_begun) = oneshot::channel();
    let leader = tokio::spawn({
        let (cache, go) = (cache.clone(), go.clone());
        async move {
            let load = async || -> Result<u64, ()> {
                begun.send(()).unwrap();
                go.notified().await;
                panic!("the loader's own panic");
            };
            cache.get_or_load(key(1), &POLICY, load).await
        }
    });
    has_begun.await.unwrap();
    let follower = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_load(key(1), &POLICY, async || Ok::<_, ()>(8_u64)).await }
    });
    tokio::task::yield_now().await;
    go.notify_one();
    assert!(leader.await.unwrap_err().is_panic());
    assert_eq!(follower.await.unwrap(), Ok(8));
}

#[tokio::test]
async fn reader_after_invalidate_never_joins_the_old_flight() {
    let cache = cache();
    let (begun, has_begun) = oneshot::channel();
    let go = Arc::new(Notify::new());
    let old = tokio::spawn({
        let (cache, go) = (cache.clone(), go.clone());
        async move {
            let load = async || {
                begun.send(()).unwrap();
                go.notified().await;
                Ok::<_, ()>("old".to_owned())
            };
            cache.get_or_load(key(1), &POLICY, load).await
        }
    });
    has_begun.await.unwrap();
    assert_eq!(cache.invalidate(key(1)).await, Outcome::Applied);
    let load_new = async || Ok::<_, ()>("new".to_owned());
    assert_eq!(cache.get_or_load(key(1), &POLICY, load_new).await.unwrap(), "new");
    go.notify_one();
    // The old load may answer its own caller, who came before the write, and nobody else.
    assert!(["old", "new"].contains(&old.await.unwrap().unwrap().as_str()));
    assert_eq!(cache.peek::<String>(&key(1)).await, Peek::Hit("new".to_owned()));
}

#[tokio::test]
async fn late_fill_after_invalidate_is_refused() {
    let cache = cache();
    let load = async || {
        cache.invalidate(key(1)).await;
        Ok::<_, ()>(1_u64)
    };
    assert_eq!(cache.get_or_load(key(1), &POLICY, load).await, Ok(1));
    assert_eq!(cache.peek::<u64>(&key(1)).await, Peek::Miss);
}

#[tokio::test]
async fn err_is_never_stored() {
    let cache = cache();
    let failed = cache.get_or_load(key(1), &POLICY, async || Err::<u64, _>(Unlucky(1))).await;
    assert_eq!(failed, Err(Unlucky(1)));
    let loaded = cache.get_or_load(key(1), &POLICY, async || Ok::<_, Unlucky>(2_u64)).await;
    assert_eq!(loaded, Ok(2));
}

/// Starts `callers` callers whose loads fail, all in one flight.
async fn failing_callers<E: Send + 'static>(
    callers: usize,
    error: impl Fn(usize) -> E + Clone + Send + Sync + 'static,
) -> (Vec<E>, usize) {
    let cache = cache();
    let loads = Arc::new(AtomicUsize::new(0));
    let go = Arc::new(Notify::new());
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (cache, loads, go, error) =
                (cache.clone(), loads.clone(), go.clone(), error.clone());
            tokio::spawn(async move {
                let load = async || {
                    let number = loads.fetch_add(1, Ordering::SeqCst);
                    if number == 0 {
                        go.notified().await;
                    }
                    Err::<u64, _>(error(number))
                };
                cache.get_or_load(key(1), &POLICY, load).await.unwrap_err()
            })
        })
        .collect();
    tokio::task::yield_now().await;
    go.notify_one();
    let mut errors = Vec::new();
    for task in tasks {
        errors.push(task.await.unwrap());
    }
    (errors, loads.load(Ordering::SeqCst))
}

#[tokio::test]
async fn an_error_that_cannot_be_cloned_costs_each_caller_a_load_and_no_more() {
    let (errors, loads) = failing_callers(50, Unlucky).await;
    let mut numbers: Vec<_> = errors.into_iter().map(|Unlucky(number)| number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    assert_eq!(loads, 50);
}

#[tokio::test]
async fn absence_is_cached_for_its_own_time() {
    let (clock, builder) = cachekit_core::testing::clock();
    let cache = builder.build().unwrap();
    let policy = POLICY.negative_ttl(Duration::from_secs(5));
    let absent = async || Ok::<Option<u64>, ()>(None);
    let unexpected = async || -> Result<Option<u64>, ()> { panic!("it is cached") };

    assert_eq!(cache.get_or_load_optional(key(1), &policy, absent).await, Ok(None));
    assert_eq!(cache.peek::<u64>(&key(1)).await, Peek::Absent);
    clock.advance(Duration::from_millis(4999));
    assert_eq!(cache.get_or_load_optional(key(1), &policy, unexpected).await, Ok(None));
    clock.advance(Duration::from_millis(1));
    let there = async || Ok::<_, ()>(Some(3_u64));
    assert_eq!(cache.get_or_load_optional(key(1), &policy, there).await, Ok(Some(3)));
    clock.advance(Duration::from_secs(59));
    assert_eq!(cache.get_or_load_optional(key(1), &policy, unexpected).await, Ok(Some(3)));
}

#[tokio::test]
async fn absence_that_is_not_kept_is_loaded_each_time() {
    let cache = cache();
    let policy = POLICY.never_absent();
    for expected in [None, Some(4_u64)] {
        let load = async || Ok::<_, ()>(expected);
        assert_eq!(cache.get_or_load_optional(key(1), &policy, load).await, Ok(expected));
    }
}

#[tokio::test]
async fn insert_clears_a_negative_entry() {
    let cache = cache();
    let load = async || Ok::<Option<u64>, ()>(None);
    assert_eq!(cache.get_or_load_optional(key(1), &POLICY, load).await, Ok(None));
    assert_eq!(cache.invalidate(key(1)).await, Outcome::Applied);
    let load = async || Ok::<_, ()>(Some(1_u64));
    assert_eq!(cache.get_or_load_optional(key(1), &POLICY, load).await, Ok(Some(1)));
}

#[tokio::test]
async fn same_key_recursion_runs_the_body() {
    let cache = cache();
    let outer = async || {
        let inner = async || Ok::<_, ()>(1_u64);
        cache.get_or_load(key(1), &POLICY, inner).await.map(|value| value + 10)
    };
    let done =
        tokio::time::timeout(Duration::from_secs(20), cache.get_or_load(key(1), &POLICY, outer));
    assert_eq!(done.await.expect("no wait on itself"), Ok(11));
}

#[tokio::test]
async fn other_keys_nest() {
    let cache = Cache::builder().load_limit(1).build().unwrap();
    let outer = async || {
        let inner = async || Ok::<_, ()>(1_u64);
        cache.get_or_load(key(2), &POLICY, inner).await.map(|value| value + 10)
    };
    assert_eq!(cache.get_or_load(key(1), &POLICY, outer).await, Ok(11));
    assert_eq!(cache.peek::<u64>(&key(2)).await, Peek::Hit(1));
}

#[tokio::test(start_paused = true)]
async fn unpolled_leader_is_deposed() {
    let cache = cache();
    let (begun, has_begun) = oneshot::channel();
    let mut leader = Box::pin(cache.get_or_load(key(1), &POLICY, async || stuck(begun).await));
    tokio::select! {
        _ = &mut leader => unreachable!("its loader never ends"),
        started = has_begun => started.unwrap(),
    }
    // Alive, and never polled again.
    let load = async || Ok::<_, ()>(2_u64);
    assert_eq!(cache.get_or_load(key(1), &POLICY, load).await, Ok(2));
    drop(leader);
}

#[tokio::test]
async fn status_of_hit_load_join() {
    let cache = cache();
    let load = async || Ok::<_, ()>(1_u64);
    let read = || cache.get_or_load(key(1), &POLICY, load);
    assert_eq!(with_status(read()).await, (Ok(1), Status::Loaded));
    assert_eq!(with_status(read()).await, (Ok(1), Status::Hit));
    assert_eq!(with_status(cachekit_core::bypass(read())).await, (Ok(1), Status::Bypassed));

    let (begun, has_begun) = oneshot::channel();
    let go = Notify::new();
    let load = async || {
        begun.send(()).unwrap();
        go.notified().await;
        Ok::<_, ()>(2_u64)
    };
    let joins = async {
        has_begun.await.unwrap();
        let unexpected = async || -> Result<u64, ()> { panic!("it is being loaded") };
        let read = with_status(cache.get_or_load(key(2), &POLICY, unexpected));
        tokio::join!(biased; read, async { go.notify_one() }).0
    };
    let both = tokio::join!(with_status(cache.get_or_load(key(2), &POLICY, load)), joins);
    assert_eq!(both, ((Ok(2), Status::Loaded), (Ok(2), Status::Joined)));
}

#[tokio::test]
async fn refresh_loads_and_replaces() {
    let cache = cache();
    let read = |value: u64| {
        let cache = cache.clone();
        async move { cache.get_or_load(key(1), &POLICY, async || Ok::<_, ()>(value)).await }
    };
    assert_eq!(read(1).await, Ok(1));
    assert_eq!(cachekit_core::refresh(read(2)).await, Ok(2));
    assert_eq!(read(3).await, Ok(2));
}

/// A value that uses the cache while it is dropped.
#[derive(serde::Serialize, serde::Deserialize)]
struct Meddler {
    #[serde(skip)]
    cache: Option<Cache>,
}

impl Clone for Meddler {
    fn clone(&self) -> Self {
        touch(self.cache.as_ref());
        Self { cache: self.cache.clone() }
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        touch(self.cache.as_ref());
    }
}

/// Every operation that takes the locks of the same key.
fn touch(cache: Option<&Cache>) {
    let Some(cache) = cache else { return };
    let mut invalidation = Box::pin(cache.invalidate(key(1)));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(invalidation.as_mut().poll(&mut cx).is_ready());
}

#[tokio::test]
async fn drop_of_value_may_call_the_cache() {
    let cache = Cache::builder().max_entries(1).build().unwrap();
    for id in [1, 2, 1, 1, 3, 1] {
        let load = async || Ok::<_, ()>(Meddler { cache: Some(cache.clone()) });
        assert!(cache.get_or_load(key(id), &POLICY, load).await.is_ok());
        cache.invalidate(key(id)).await;
        let load = async || Ok::<_, ()>(Meddler { cache: Some(cache.clone()) });
        assert!(cachekit_core::refresh(cache.get_or_load(key(id), &POLICY, load)).await.is_ok());
    }
}

#[tokio::test]
async fn the_tier_stays_within_its_bound() {
    let cache = Cache::builder().max_entries(100).build().unwrap();
    for id in 0..10_000 {
        cache.get_or_load(key(id), &POLICY, async || Ok::<_, ()>(1_u8)).await.unwrap();
    }
    assert!(cache.entry_count() <= 100, "{}", cache.entry_count());
}

#[tokio::test]
async fn a_disabled_cache_reads_through() {
    let cache = Cache::disabled();
    for value in [1_u64, 2] {
        let load = async || Ok::<_, ()>(value);
        assert_eq!(cache.get_or_load(key(1), &POLICY, load).await, Ok(value));
    }
    assert_eq!(cache.invalidate(key(1)).await, Outcome::Applied);
}
