//! How long a caller waits, and how many loads run at once, through the public API.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use cachekit_core::{
    __private::KeyBuf, Cache, CacheBuilder, Error, ErrorKind, Key, Policy, Segment as _, Status,
    Ttl, with_status,
};
use tokio::{
    sync::{Notify, oneshot},
    task::{JoinSet, yield_now},
    time::Instant,
};

use super::key;

fn other(id: u32) -> Key {
    KeyBuf::new("other:<id>", |w| {
        w.literal("other:");
        w.segment(|w| id.write(w));
    })
    .into_key()
}

const POLICY: Policy = Policy::from_parts(Ttl::from_millis(60_000, 0), None);
const LIMIT: Duration = Duration::from_secs(2);
const TIMED: Policy = POLICY.hard_timeout(LIMIT);

fn builder() -> CacheBuilder {
    Cache::builder()
}

/// Says when it is dropped.
struct Dropped<'a>(&'a AtomicBool);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

async fn stuck(begun: oneshot::Sender<()>) -> Result<u64, Error> {
    begun.send(()).unwrap();
    pending().await
}

#[tokio::test(start_paused = true)]
async fn time_is_up_and_the_loader_that_nobody_waits_for_is_dropped() {
    let cache = builder().build().unwrap();
    let (dropped, began) = (AtomicBool::new(false), Instant::now());
    let load = async || {
        let _dropped = Dropped(&dropped);
        pending::<Result<u64, Error>>().await
    };
    let (out, status) = with_status(cache.try_get_or_load(key(1), &TIMED, load)).await;
    let error = out.unwrap_err();
    assert_eq!((error.kind(), error.template()), (ErrorKind::Timeout, Some("item:<id>")));
    assert!(error.is_transient() && error.message().contains("2s"), "{error}");
    assert_eq!((began.elapsed(), status), (LIMIT, Status::Refused));
    assert!(dropped.load(Ordering::SeqCst));
    // Nothing of it is left behind.
    let load = async || Ok::<_, Error>(1_u64);
    assert_eq!(cache.try_get_or_load(key(1), &TIMED, load).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_load_of_another_counts() {
    let cache = builder().leader_wait(Duration::from_secs(600)).build().unwrap();
    let go = Notify::new();
    let (begun, has_begun) = oneshot::channel();
    let slow = async || {
        begun.send(()).unwrap();
        go.notified().await;
        Ok::<_, Error>(1_u64)
    };
    let waits = async {
        has_begun.await.unwrap();
        let unexpected = async || -> Result<u64, Error> { panic!("it is being loaded") };
        let out = cache.try_get_or_load(key(1), &TIMED, unexpected).await;
        go.notify_one();
        out.unwrap_err().kind()
    };
    let (first, second) = tokio::join!(cache.try_get_or_load(key(1), &POLICY, slow), waits);
    assert_eq!((first.unwrap(), second), (1, ErrorKind::Timeout), "the other's load goes on");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_others_wait_for_is_handed_over_when_time_is_up() {
    let cache = builder().leader_wait(Duration::from_secs(600)).build().unwrap();
    let (begun, has_begun) = oneshot::channel();
    let began = Instant::now();
    let waits = async {
        has_begun.await.unwrap();
        let load = async || Ok::<_, Error>(2_u64);
        let out = cache.try_get_or_load(key(1), &POLICY, load).await;
        (out.unwrap(), began.elapsed())
    };
    let stuck = async || stuck(begun).await;
    let (first, second) = tokio::join!(cache.try_get_or_load(key(1), &TIMED, stuck), waits);
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(second, (2, LIMIT));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_loader_s_own_type_is_not_timed() {
    let cache = builder().build().unwrap();
    let load = async || {
        tokio::time::sleep(LIMIT * 2).await;
        Ok::<_, ()>(1_u64)
    };
    assert_eq!(cache.get_or_load(key(1), &TIMED, load).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn absent_is_answered_within_the_limit() {
    let cache = builder().build().unwrap();
    let stuck = async || pending::<Result<Option<u64>, Error>>().await;
    let read = cache.try_get_or_load_optional(key(1), &TIMED, stuck);
    assert_eq!(read.await.unwrap_err().kind(), ErrorKind::Timeout);
    let none = async || Ok::<_, Error>(None::<u64>);
    assert_eq!(cache.try_get_or_load_optional(key(1), &TIMED, none).await.unwrap(), None);
}

/// How many loads run, and ran at most, at once.
#[derive(Default)]
struct Gauge {
    running: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

impl Gauge {
    async fn load(&self, id: u32) -> Result<u32, Error> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        self.all.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        Ok(id)
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

async fn read_all(cache: &Cache, gauge: &Arc<Gauge>, policy: Policy, key: fn(u32) -> Key) {
    let mut readers = JoinSet::new();
    for id in 0..1000 {
        let (cache, gauge) = (cache.clone(), gauge.clone());
        readers.spawn(async move {
            let read = cache.try_get_or_load(key(id), &policy, async || gauge.load(id).await);
            assert_eq!(read.await.unwrap(), id);
        });
    }
    readers.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_start_runs_no_more_loads_at_once_than_allowed() {
    let cache = builder().max_loads(8).build().unwrap();
    let gauge = Arc::default();
    read_all(&cache, &gauge, POLICY, key).await;
    assert_eq!((gauge.most(), gauge.all.load(Ordering::SeqCst)), (8, 1000));
    assert_eq!(cache.health().loads_running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_template_s_own_limit_leaves_turns_to_others() {
    let cache = builder().max_loads(8).build().unwrap();
    let (slow, fast) = (Arc::default(), Arc::default());
    let few = read_all(&cache, &slow, POLICY.max_loads(2), key);
    let rest = read_all(&cache, &fast, POLICY, other);
    tokio::join!(few, rest);
    assert_eq!(slow.most(), 2);
    assert!((6..=8).contains(&fast.most()), "{}", fast.most());
}

#[tokio::test]
async fn a_load_inside_another_takes_no_turn() {
    let cache = builder().max_loads(1).build().unwrap();
    let policy = POLICY.max_loads(1);
    let outer = async || {
        let inner = async || Ok::<_, Error>(1_u64);
        cache.try_get_or_load(key(2), &policy, inner).await.map(|value| value + 10)
    };
    assert_eq!(cache.try_get_or_load(key(1), &policy, outer).await.unwrap(), 11);
}

/// Holds the only turn until `go`.
async fn hold(cache: &Cache, begun: oneshot::Sender<()>, go: &Notify) {
    let load = async || {
        begun.send(()).unwrap();
        go.notified().await;
        Ok::<_, Error>(0_u64)
    };
    cache.try_get_or_load(key(0), &POLICY, load).await.unwrap();
}

async fn load() -> Result<u64, Error> {
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn who_can_be_told_is_refused_where_the_line_is_full_and_others_wait() {
    let cache = builder().max_loads(1).load_queue(1).build().unwrap();
    let (go, (begun, has_begun)) = (Notify::new(), oneshot::channel());
    let others = async {
        has_begun.await.unwrap();
        let mut patient = Box::pin(cache.try_get_or_load(key(1), &POLICY, load));
        tokio::select! {
            biased;
            _ = &mut patient => unreachable!("the only turn is taken"),
            () = yield_now() => {}
        }
        let health = cache.health();
        assert_eq!((health.loads_running, health.loads_waiting), (1, 1));
        let began = Instant::now();
        let refused = with_status(cache.try_get_or_load(key(2), &TIMED, load)).await;
        let error = refused.0.unwrap_err();
        assert_eq!((error.kind(), refused.1), (ErrorKind::Overloaded, Status::Refused));
        assert_eq!((began.elapsed(), error.is_transient()), (Duration::ZERO, true));
        // One that cannot be told so stands in line, however long it is.
        let mut more = Box::pin(cache.get_or_load(key(3), &POLICY, async || Ok::<_, ()>(3_u64)));
        tokio::select! {
            biased;
            _ = &mut more => unreachable!("the only turn is taken"),
            () = yield_now() => {}
        }
        assert_eq!(cache.health().loads_waiting, 2);
        go.notify_one();
        assert_eq!((patient.await.unwrap(), more.await), (1, Ok(3)));
    };
    tokio::join!(hold(&cache, begun, &go), others);
    assert_eq!((cache.health().loads_running, cache.health().loads_waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_can_be_told_waits_for_a_turn_no_longer_than_allowed() {
    let wait = Duration::from_millis(700);
    let cache = builder().max_loads(1).load_wait(wait).build().unwrap();
    let (go, (begun, has_begun)) = (Notify::new(), oneshot::channel());
    let waits = async {
        has_begun.await.unwrap();
        let began = Instant::now();
        let refused = cache.try_get_or_load(key(1), &TIMED, load).await.unwrap_err();
        assert_eq!((refused.kind(), began.elapsed()), (ErrorKind::Overloaded, wait));
        go.notify_one();
    };
    tokio::join!(hold(&cache, begun, &go), waits);
}

#[tokio::test(start_paused = true)]
async fn callers_of_one_key_share_the_turn_they_wait_for() {
    let cache = builder().max_loads(1).build().unwrap();
    let (go, (begun, has_begun)) = (Notify::new(), oneshot::channel());
    let loads = AtomicUsize::new(0);
    let counted = async || {
        loads.fetch_add(1, Ordering::SeqCst);
        load().await
    };
    let others = async {
        has_begun.await.unwrap();
        let first = cache.try_get_or_load(key(1), &POLICY, counted);
        let second = cache.try_get_or_load(key(1), &POLICY, counted);
        let end = async {
            assert_eq!(cache.health().loads_waiting, 1);
            go.notify_one();
        };
        let (first, second, ()) = tokio::join!(biased; first, second, end);
        (first.unwrap(), second.unwrap())
    };
    let ((), answers) = tokio::join!(hold(&cache, begun, &go), others);
    assert_eq!((answers, loads.load(Ordering::SeqCst)), ((1, 1), 1));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_the_line() {
    let cache = builder().max_loads(1).build().unwrap();
    let (go, (begun, has_begun)) = (Notify::new(), oneshot::channel());
    let others = async {
        has_begun.await.unwrap();
        let short = Duration::from_millis(10);
        let policy = POLICY.max_loads(1);
        let read = cache.try_get_or_load(key(1), &policy, load);
        assert!(tokio::time::timeout(short, read).await.is_err());
        assert_eq!(cache.health().loads_waiting, 0);
        go.notify_one();
    };
    tokio::join!(hold(&cache, begun, &go), others);
    assert_eq!(cache.try_get_or_load(key(1), &POLICY.max_loads(1), load).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn loads_that_wait_for_one_another_s_turn_come_to_an_end() {
    let limit = Duration::from_secs(3);
    let cache = builder().max_loads(1).load_timeout(limit).build().unwrap();
    let (began, inner) = (Instant::now(), cache.clone());
    // A plain spawn loses the scope, so the inner load is not known to stand inside the outer one.
    let outer = async || {
        let read = async move { inner.try_get_or_load(key(2), &POLICY, load).await };
        tokio::spawn(read).await.unwrap()
    };
    assert_eq!(cache.try_get_or_load(key(1), &POLICY, outer).await.unwrap(), 1);
    assert_eq!(began.elapsed(), limit);
}

#[test]
fn limits_that_let_nothing_through_are_refused() {
    let error = builder().max_loads(0).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("max_loads"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_takes_its_turn() {
    let cache = builder().max_loads(1).load_queue(0).build().unwrap();
    let (go, (begun, has_begun)) = (Notify::new(), oneshot::channel());
    let others = async {
        has_begun.await.unwrap();
        let read = cache.try_get_or_load(key(1), &TIMED, load);
        let refused = cachekit_core::refresh(read).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Overloaded);
        go.notify_one();
    };
    tokio::join!(hold(&cache, begun, &go), others);
}
