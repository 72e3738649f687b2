//! Old values in the place of loads that fail or take their time, through the public API.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cachekit_core::{
    Cache, Error, ErrorKind, Freshness, ManualClock, Policy, Status, Ttl, testing, with_freshness,
    with_status,
};
use tokio::{
    sync::{Notify, oneshot},
    task::yield_now,
    time::Instant,
};

use super::key;

const TTL: Duration = Duration::from_secs(10);
const POLICY: Policy = Policy::from_parts(Ttl::from_millis(10_000, 0), None)
    .stale_if_error(Duration::from_secs(3600))
    .retry_after(Duration::from_secs(100));

/// An error that cannot be cloned.
#[derive(Debug, PartialEq)]
struct Away;

type Answer = (Result<u64, Away>, Status);

const STALE: Answer = (Ok(1), Status::Stale);

struct World {
    cache: Cache,
    clock: Arc<ManualClock>,
    loads: AtomicUsize,
}

impl World {
    fn new() -> Self {
        let (clock, builder) = testing::clock();
        Self { cache: builder.build().unwrap(), clock, loads: AtomicUsize::new(0) }
    }

    /// With 1 in the cache, past its TTL.
    async fn with_old() -> Self {
        let world = Self::new();
        world.fill().await;
        world
    }

    async fn fill(&self) {
        assert_eq!(self.read(POLICY, Ok(1)).await, (Ok(1), Status::Loaded));
        self.loads.store(0, Ordering::SeqCst);
        self.clock.advance(TTL);
    }

    async fn read(&self, policy: Policy, out: Result<u64, Away>) -> Answer {
        let load = async || {
            self.loads.fetch_add(1, Ordering::SeqCst);
            out
        };
        with_status(self.cache.get_or_load(key(1), &policy, load)).await
    }

    fn loads(&self) -> usize {
        self.loads.swap(0, Ordering::SeqCst)
    }
}

#[tokio::test]
async fn an_old_value_answers_for_a_load_that_failed() {
    let world = World::with_old().await;
    assert_eq!(world.read(POLICY, Err(Away)).await, STALE);
    assert_eq!(world.loads(), 1);
    world.cache.invalidate(key(1)).await;
    assert_eq!(world.read(POLICY, Err(Away)).await.0, Err(Away), "nothing is there any more");
}

#[tokio::test]
async fn an_old_value_that_nobody_allows_answers_nothing() {
    let plain = Policy::from_parts(Ttl::from_millis(10_000, 0), None);
    let world = World::with_old().await;
    assert_eq!(world.read(plain, Err(Away)).await.0, Err(Away));
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(world.read(POLICY, Err(Away)).await.0, Err(Away), "its time is over");
}

#[tokio::test]
async fn an_old_value_that_was_invalidated_during_the_load_answers_nothing() {
    let world = World::with_old().await;
    let load = async || {
        world.cache.invalidate(key(1)).await;
        Err::<u64, _>(Away)
    };
    assert_eq!(world.cache.get_or_load(key(1), &POLICY, load).await, Err(Away));
}

#[tokio::test]
async fn a_refresh_on_request_gets_its_error() {
    let world = World::with_old().await;
    let (out, _) = cachekit_core::refresh(world.read(POLICY, Err(Away))).await;
    assert_eq!(out, Err(Away));
}

#[tokio::test]
async fn a_load_that_failed_is_not_tried_again_for_a_while_that_grows() {
    let world = World::with_old().await;
    for most in [120, 240, 480, 960, 960] {
        assert_eq!(world.read(POLICY, Err(Away)).await, STALE);
        assert_eq!(world.loads(), 1);
        world.clock.advance(Duration::from_secs(most / 3 * 2 - 1));
        assert_eq!(world.read(POLICY, Err(Away)).await, STALE);
        assert_eq!(world.loads(), 0, "it was tried again within {} s", most / 3 * 2 - 1);
        world.clock.advance(Duration::from_secs(most / 3 + 2));
    }
    // The source is back: one load, and all is as before.
    assert_eq!(world.read(POLICY, Ok(1)).await, (Ok(1), Status::Loaded));
    assert_eq!(world.read(POLICY, Err(Away)).await, (Ok(1), Status::Hit));
    world.clock.advance(TTL);
    assert_eq!(world.read(POLICY, Err(Away)).await, STALE);
    world.clock.advance(Duration::from_secs(121));
    assert_eq!(world.read(POLICY, Ok(2)).await, (Ok(2), Status::Loaded));
}

#[tokio::test]
async fn those_who_wait_for_a_load_that_fails_share_the_old_value() {
    let world = World::with_old().await;
    let (go, (begun, has_begun)) = (Notify::new(), oneshot::channel());
    let fails = async || {
        begun.send(()).unwrap();
        go.notified().await;
        Err(Away)
    };
    let leader = with_status(world.cache.get_or_load(key(1), &POLICY, fails));
    let others = async {
        has_begun.await.unwrap();
        let end = async {
            yield_now().await;
            go.notify_one();
        };
        let (one, two, ()) =
            tokio::join!(world.read(POLICY, Ok(7)), world.read(POLICY, Ok(7)), end);
        [one, two]
    };
    let (first, others) = tokio::join!(leader, others);
    assert_eq!((first, others), (STALE, [STALE, STALE]));
    assert_eq!(world.loads(), 0, "a source that has just failed is left alone");
}

#[tokio::test]
async fn what_was_invalidated_answers_only_by_name() {
    let by_name = POLICY.even_invalidated();
    let world = World::new();
    assert_eq!(world.read(by_name, Ok(1)).await, (Ok(1), Status::Loaded));
    world.cache.invalidate(key(1)).await;
    assert_eq!(world.read(POLICY, Err(Away)).await.0, Err(Away));
    assert_eq!(world.read(by_name, Err(Away)).await, STALE);
    world.clock.advance(TTL + Duration::from_secs(3601));
    assert_eq!(world.read(by_name, Err(Away)).await.0, Err(Away), "its time is over");
}

#[tokio::test]
async fn few_are_remembered_for_those_who_take_what_was_invalidated() {
    let policy = POLICY.even_invalidated();
    let (_clock, builder) = testing::clock();
    let cache = builder.last_known(10).build().unwrap();
    let read = async |id, out| cache.get_or_load(key(id), &policy, async || out).await;
    for id in 0..1000 {
        assert_eq!(read(id, Ok(1)).await, Ok(1_u64));
        cache.invalidate(key(id)).await;
    }
    let mut known = 0;
    for id in 0..1000 {
        known += usize::from(read(id, Err(Away)).await.is_ok());
    }
    assert!((1..=10).contains(&known), "{known}");
}

#[tokio::test(start_paused = true)]
async fn an_old_value_answers_when_time_is_up() {
    let world = World::with_old().await;
    let limit = Duration::from_secs(2);
    let policy = POLICY.hard_timeout(limit);
    let began = Instant::now();
    let hangs = async || {
        world.loads.fetch_add(1, Ordering::SeqCst);
        pending::<Result<u64, Error>>().await
    };
    for waited in [limit, limit] {
        let (out, status) = with_status(world.cache.try_get_or_load(key(1), &policy, hangs)).await;
        assert_eq!((out.unwrap(), status, began.elapsed()), (1, Status::Stale, waited));
    }
    assert_eq!(world.loads(), 1, "it is not tried again at once");
    world.cache.invalidate(key(1)).await;
    let error = world.cache.try_get_or_load(key(1), &policy, hangs).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn an_old_value_answers_where_no_turn_is_to_be_had() {
    let (clock, builder) = testing::clock();
    let cache = builder.max_loads(1).build().unwrap();
    let load = async || Ok::<_, Away>(1_u64);
    assert_eq!(cache.get_or_load(key(1), &POLICY, load).await, Ok(1));
    clock.advance(TTL);
    let (go, (begun, has_begun)) = (Notify::new(), oneshot::channel());
    let holds = async || {
        begun.send(()).unwrap();
        go.notified().await;
        Ok::<_, Away>(0_u64)
    };
    let other = async {
        has_begun.await.unwrap();
        let unexpected = async || -> Result<u64, Away> { panic!("there is no turn for it") };
        let answer = with_status(cache.get_or_load(key(1), &POLICY, unexpected)).await;
        go.notify_one();
        answer
    };
    let (_, answer) = tokio::join!(cache.get_or_load(key(2), &POLICY, holds), other);
    assert_eq!(answer, STALE);
}

#[tokio::test]
async fn an_answer_says_in_its_type_that_it_is_old() {
    let world = World::with_old().await;
    let fresh =
        with_freshness(world.cache.get_or_load(key(2), &POLICY, async || Ok::<_, Away>(2_u64)));
    assert_eq!(fresh.await, Freshness::Fresh(Ok(2)));
    let inner = async {
        let inner = with_freshness(world.read(POLICY, Err(Away))).await;
        assert_eq!((inner.is_stale(), inner.fresh()), (true, None));
    };
    let outer = with_freshness(inner).await;
    assert!(outer.is_stale(), "what it was made of is out of date");
}

const SOFT: Duration = Duration::from_millis(50);

async fn soft(world: &World, takes: Duration, out: Result<u64, Away>) -> (Answer, Duration) {
    let policy = POLICY.soft_timeout(SOFT);
    let began = Instant::now();
    let loads = &world.loads;
    let load = move || {
        loads.fetch_add(1, Ordering::SeqCst);
        let out = match &out {
            Ok(value) => Ok(*value),
            Err(Away) => Err(Away),
        };
        async move {
            tokio::time::sleep(takes).await;
            out
        }
    };
    let answer = with_status(world.cache.get_or_refresh(key(1), &policy, load)).await;
    (answer, began.elapsed())
}

const LONG: Duration = Duration::from_secs(2);

#[tokio::test(start_paused = true)]
async fn a_warm_key_is_answered_when_the_soft_time_out_ends_and_the_load_goes_on() {
    let world = World::with_old().await;
    let all = tokio::join!(
        soft(&world, LONG, Ok(2)),
        soft(&world, LONG, Ok(3)),
        soft(&world, LONG, Ok(4))
    );
    assert_eq!(all, ((STALE, SOFT), (STALE, SOFT), (STALE, SOFT)));
    assert_eq!(world.loads(), 1);
    tokio::time::sleep(LONG).await;
    let ((out, status), _) = soft(&world, LONG, Ok(5)).await;
    assert_eq!((out, status), (Ok(2), Status::Hit), "the load has filled");
}

#[tokio::test(start_paused = true)]
async fn a_load_within_the_soft_time_out_is_waited_for_by_all() {
    let world = World::with_old().await;
    let takes = Duration::from_millis(20);
    let (first, second) = tokio::join!(soft(&world, takes, Ok(2)), soft(&world, takes, Ok(3)));
    let fresh = ((Ok(2), Status::Joined), takes);
    assert_eq!([first, second], [fresh, ((Ok(2), Status::Joined), takes)]);
    assert_eq!(world.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_fails_within_the_soft_time_out_is_not_waited_for_longer() {
    let world = World::with_old().await;
    let takes = Duration::from_millis(20);
    assert_eq!(soft(&world, takes, Err(Away)).await, (STALE, takes));
    assert_eq!(soft(&world, takes, Ok(2)).await, (STALE, Duration::ZERO));
    assert_eq!(world.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_old_value_that_is_invalidated_while_it_is_waited_for_is_not_answered() {
    let world = World::with_old().await;
    let takes = Duration::from_millis(20);
    let voids = async {
        tokio::time::sleep(takes / 2).await;
        world.cache.invalidate(key(1)).await;
    };
    let (((out, status), _), ()) = tokio::join!(soft(&world, takes, Ok(2)), voids);
    assert_eq!((out, status), (Ok(2), Status::Loaded));
    assert_eq!(world.loads(), 2, "the first one began before the write returned");
}

#[tokio::test(start_paused = true)]
async fn a_cold_key_is_waited_for() {
    let world = World::new();
    assert_eq!(soft(&world, LONG, Ok(2)).await, ((Ok(2), Status::Loaded), LONG));
}
