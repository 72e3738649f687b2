//! Loading anew what is still there, in one process, through the public API.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cachekit_core::{
    __private::KeyBuf, Cache, CacheBuilder, Fresh, HasTtl, ManualClock, Outcome, Peek, Policy,
    Previous, Status, Ttl, testing, with_status,
};
use tokio::sync::{Notify, Semaphore, oneshot};

use super::key;

const TEN: Policy = Policy::from_parts(Ttl::from_millis(10_000, 0), None);
/// Good for 10 s, answered for a minute more.
const STALE: Policy = TEN.stale_while_revalidate(Duration::from_secs(60));

/// A row, its loads, and a gate before which they wait.
#[derive(Clone)]
struct Row {
    version: Arc<AtomicU64>,
    loads: Arc<AtomicU64>,
    gate: Arc<Semaphore>,
    begun: Arc<Notify>,
}

impl Row {
    fn new() -> Self {
        Self {
            version: Arc::new(AtomicU64::new(1)),
            loads: Arc::default(),
            gate: Arc::new(Semaphore::new(1_000_000)),
            begun: Arc::default(),
        }
    }

    /// Loads wait from now on.
    fn close(&self) {
        self.gate.forget_permits(usize::MAX >> 4);
    }

    fn open(&self) {
        self.gate.add_permits(1_000_000);
    }

    /// Reads the row, then waits at the gate.
    async fn load(self) -> Result<u64, &'static str> {
        self.loads.fetch_add(1, SeqCst);
        let version = self.version.load(SeqCst);
        self.begun.notify_one();
        self.gate.acquire().await.unwrap().forget();
        Ok(version)
    }

    fn loads(&self) -> u64 {
        self.loads.load(SeqCst)
    }

    async fn read(&self, cache: &Cache, policy: &Policy) -> (Result<u64, &'static str>, Status) {
        let load = || self.clone().load();
        with_status(cache.get_or_refresh(key(1), policy, load)).await
    }

    /// Reads until the answer is this.
    async fn until(&self, cache: &Cache, policy: &Policy, answer: u64) {
        for _ in 0..1000 {
            if self.read(cache, policy).await.0 == Ok(answer) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("nobody ever read {answer}");
    }
}

fn with_clock() -> (Arc<ManualClock>, Cache) {
    let (clock, builder) = testing::clock();
    (clock, builder.build().unwrap())
}

#[tokio::test]
async fn what_is_past_its_ttl_is_answered_while_one_load_brings_the_next() {
    let ((clock, cache), row) = (with_clock(), Row::new());
    assert_eq!(row.read(&cache, &STALE).await, (Ok(1), Status::Loaded));
    clock.advance(Duration::from_secs(9));
    assert_eq!(row.read(&cache, &STALE).await, (Ok(1), Status::Hit));
    clock.advance(Duration::from_secs(1));
    row.version.store(2, SeqCst);
    row.close();
    for _ in 0..100 {
        assert_eq!(row.read(&cache, &STALE).await, (Ok(1), Status::Stale));
        tokio::task::yield_now().await;
    }
    assert_eq!(row.loads(), 2, "one in the background");
    row.open();
    row.until(&cache, &STALE, 2).await;
    assert_eq!(row.read(&cache, &STALE).await, (Ok(2), Status::Hit));
    assert_eq!(row.loads(), 2);
}

#[tokio::test]
async fn after_its_window_a_caller_waits() {
    let ((clock, cache), row) = (with_clock(), Row::new());
    row.read(&cache, &STALE).await.0.unwrap();
    row.version.store(2, SeqCst);
    clock.advance(Duration::from_secs(70));
    assert_eq!(row.read(&cache, &STALE).await, (Ok(2), Status::Loaded));
}

#[tokio::test]
async fn an_entry_is_refreshed_before_it_ends_and_nobody_waits() {
    let ((clock, cache), row) = (with_clock(), Row::new());
    let policy = TEN.refresh_ahead_percent(20);
    row.read(&cache, &policy).await.0.unwrap();
    for second in 2..100 {
        row.version.store(second, SeqCst);
        clock.advance(Duration::from_secs(1));
        assert_eq!(row.read(&cache, &policy).await.1, Status::Hit);
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(row.loads(), 1 + 98 / 9, "one in nine seconds: with less than two of ten left");
}

#[tokio::test]
async fn without_a_background_one_caller_loads_and_the_others_have_the_old_value() {
    let (clock, cache) = with_clock();
    let load = async || Ok::<_, ()>(1_u64);
    assert_eq!(cache.get_or_load(key(1), &STALE, load).await, Ok(1));
    clock.advance(Duration::from_secs(10));
    let (open, gate) = oneshot::channel();
    let gated = async || gate.await.map_err(|_| ());
    let mut leader = pin!(with_status(cache.get_or_load(key(1), &STALE, gated)));
    assert!(futures_poll(leader.as_mut()).is_none());
    for _ in 0..3 {
        let other = async || -> Result<u64, ()> { panic!("somebody loads already") };
        let read = with_status(cache.get_or_load(key(1), &STALE, other)).await;
        assert_eq!(read, (Ok(1), Status::Stale));
    }
    open.send(2_u64).unwrap();
    assert_eq!(leader.await, (Ok(2), Status::Loaded));
    assert_eq!(cache.peek::<u64>(&key(1)).await, Peek::Hit(2));
}

/// Polls once.
fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut cx) {
        std::task::Poll::Ready(out) => Some(out),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_leader_that_goes_away_leaves_the_load_to_the_next() {
    let (clock, cache) = with_clock();
    let load = async || Ok::<_, ()>(1_u64);
    cache.get_or_load(key(1), &STALE, load).await.unwrap();
    clock.advance(Duration::from_secs(10));
    {
        let never = async || std::future::pending::<Result<u64, ()>>().await;
        let mut leader = pin!(cache.get_or_load(key(1), &STALE, never));
        assert!(futures_poll(leader.as_mut()).is_none());
    }
    let next = async || Ok::<_, ()>(2_u64);
    let read = with_status(cache.get_or_load(key(1), &STALE, next)).await;
    assert_eq!(read, (Ok(2), Status::Loaded));
}

#[tokio::test]
async fn background_refresh_vs_invalidate() {
    let ((clock, cache), row) = (with_clock(), Row::new());
    row.read(&cache, &STALE).await.0.unwrap();
    clock.advance(Duration::from_secs(10));
    row.close();
    assert_eq!(row.read(&cache, &STALE).await, (Ok(1), Status::Stale));
    row.begun.notified().await;
    row.begun.notified().await;
    // The load in the background has read the old row.
    row.version.store(2, SeqCst);
    assert_eq!(cache.invalidate(key(1)).await, Outcome::Applied);
    assert_eq!(cache.peek::<u64>(&key(1)).await, Peek::Miss);
    row.open();
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert_eq!(cache.peek::<u64>(&key(1)).await, Peek::Miss, "what it loaded is too old");
    }
    assert_eq!(row.loads(), 2);
    assert_eq!(row.read(&cache, &STALE).await, (Ok(2), Status::Loaded));
}

#[tokio::test]
async fn a_foreground_load_over_an_old_entry_is_refused_after_an_invalidation() {
    let (clock, cache) = with_clock();
    let load = async || Ok::<_, ()>(1_u64);
    cache.get_or_load(key(1), &STALE, load).await.unwrap();
    clock.advance(Duration::from_secs(10));
    let load = async || {
        assert_eq!(cache.invalidate(key(1)).await, Outcome::Applied);
        Ok::<_, ()>(1_u64)
    };
    cache.get_or_load(key(1), &STALE, load).await.unwrap();
    assert_eq!(cache.peek::<u64>(&key(1)).await, Peek::Miss);
}

#[tokio::test]
async fn a_panic_in_the_background_is_caught_and_tried_again_after_a_pause() {
    let (clock, cache) = with_clock();
    let tries = Arc::new(AtomicU64::new(0));
    let read = || {
        let load = || {
            let tries = tries.clone();
            async move {
                match tries.fetch_add(1, SeqCst) {
                    1 | 2 => panic!("on purpose"),
                    tries => Ok::<_, ()>(tries),
                }
            }
        };
        with_status(cache.get_or_refresh(key(1), &STALE, load))
    };
    assert_eq!(read().await, (Ok(0), Status::Loaded));
    clock.advance(Duration::from_secs(10));
    for tried in [2, 3, 4] {
        for _ in 0..50 {
            read().await.0.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(tries.load(SeqCst), tried, "once in about a second, and then in two");
        clock.advance(Duration::from_millis(2_401));
    }
    assert_eq!(read().await, (Ok(3), Status::Hit));
}

#[tokio::test]
async fn loads_in_the_background_are_bounded() {
    let (clock, builder) = testing::clock();
    let cache = CacheBuilder::refresh_limit(builder, 3).build().unwrap();
    let row = Row::new();
    let read = async |id| {
        let load = || row.clone().load();
        with_status(cache.get_or_refresh(key(id), &STALE, load)).await
    };
    for id in 0..10 {
        read(id).await.0.unwrap();
    }
    clock.advance(Duration::from_secs(10));
    row.close();
    for id in (0..10).cycle().take(100) {
        assert_eq!(read(id).await, (Ok(1), Status::Stale));
        tokio::task::yield_now().await;
    }
    assert_eq!(row.loads(), 10 + 3);
}

#[tokio::test]
async fn loads_in_the_background_end_with_the_cache() {
    struct Sign(Arc<Notify>);
    impl Drop for Sign {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    for shut_down in [false, true] {
        let (clock, cache) = with_clock();
        let ended = Arc::new(Notify::new());
        let first = Arc::new(AtomicU64::new(0));
        let load = || {
            let (sign, first) = (Sign(ended.clone()), first.fetch_add(1, SeqCst) == 0);
            async move {
                if !first {
                    std::future::pending::<()>().await;
                }
                drop(sign);
                Ok::<_, ()>(1_u64)
            }
        };
        let read = cache.scope(cache.get_or_refresh(key(1), &STALE, load));
        read.await.unwrap();
        ended.notified().await;
        clock.advance(Duration::from_secs(10));
        let read = cache.scope(cache.get_or_refresh(key(1), &STALE, load));
        read.await.unwrap();
        tokio::task::yield_now().await;
        if shut_down {
            cache.shutdown().await.unwrap();
        } else {
            drop(cache);
        }
        ended.notified().await;
    }
}

#[tokio::test]
async fn a_load_in_the_background_is_in_its_callers_scope() {
    let (clock, cache) = with_clock();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let load = || {
        let seen = seen.clone();
        async move {
            let inner = async || Ok::<_, ()>(7_u64);
            let inner = with_status(inner_read(inner)).await.1;
            seen.lock().unwrap().push(inner);
            Ok::<_, ()>(1_u64)
        }
    };
    for _ in 0..2 {
        cache.scope(cache.get_or_refresh(key(1), &STALE, load)).await.unwrap();
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(10));
    }
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*seen.lock().unwrap(), [Status::Loaded, Status::Hit]);
}

/// As an attribute reads, from the cache in scope.
async fn inner_read(load: impl AsyncFnOnce() -> Result<u64, ()>) -> Result<u64, ()> {
    use cachekit_core::__private::{Call, Form, Site, read};
    static SITE: Site = Site::read("inner", "inner", file!(), line!());
    let call = Call::new(&SITE, None);
    let key = KeyBuf::new("inner", |w| w.literal("inner"));
    let minute = Policy::new(Duration::from_secs(60));
    read(call, &key, &minute, Form::result(), move || load()).await
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Quote {
    millis: u64,
}

impl HasTtl for Quote {
    fn ttl(&self) -> Ttl {
        Ttl::from_millis(self.millis, 0)
    }
}

#[tokio::test]
async fn a_value_says_how_long_it_is_good() {
    let (clock, cache) = with_clock();
    let policy = TEN.ttl_from::<Quote>();
    let read = async |id, millis| {
        let load = async || Ok::<_, ()>(Quote { millis });
        with_status(cache.get_or_load(key(id), &policy, load)).await.1
    };
    assert_eq!((read(1, 1_000).await, read(2, 100_000).await), (Status::Loaded, Status::Loaded));
    clock.advance(Duration::from_millis(999));
    assert_eq!((read(1, 1_000).await, read(2, 100_000).await), (Status::Hit, Status::Hit));
    clock.advance(Duration::from_millis(1));
    assert_eq!((read(1, 1_000).await, read(2, 100_000).await), (Status::Loaded, Status::Hit));
}

#[tokio::test]
async fn a_load_says_that_the_old_value_still_holds() {
    let (clock, cache) = with_clock();
    let policy = TEN.revalidate_within(Duration::from_secs(60));
    let seen = Mutex::new(Vec::new());
    let read = async |unchanged: bool| {
        let load = async |old: Option<Previous<u64>>| {
            seen.lock().unwrap().push(old.as_deref().copied());
            match old {
                Some(old) if unchanged => Ok::<_, ()>(old.unchanged()),
                old => Ok(Fresh::new(old.map_or(1, |old| *old + 1))),
            }
        };
        with_status(cache.get_or_revalidate(key(1), &policy, load)).await
    };
    assert_eq!(read(true).await, (Ok(1), Status::Loaded));
    clock.advance(Duration::from_secs(9));
    assert_eq!(read(true).await, (Ok(1), Status::Hit));
    clock.advance(Duration::from_secs(1));
    assert_eq!(read(true).await, (Ok(1), Status::Loaded), "not answered with what is old");
    clock.advance(Duration::from_secs(9));
    assert_eq!(read(true).await, (Ok(1), Status::Hit), "its time began anew");
    clock.advance(Duration::from_secs(1));
    assert_eq!(read(false).await, (Ok(2), Status::Loaded));
    clock.advance(Duration::from_secs(70));
    assert_eq!(read(true).await, (Ok(1), Status::Loaded), "nothing is kept for so long");
    assert_eq!(*seen.lock().unwrap(), [None, Some(1), Some(1), None]);
}

#[tokio::test]
async fn what_is_said_to_hold_and_was_invalidated_is_not_kept() {
    let (clock, cache) = with_clock();
    let policy = TEN.revalidate_within(Duration::from_secs(60));
    let load = async |_: Option<Previous<u64>>| Ok::<_, ()>(Fresh::new(1));
    cache.get_or_revalidate(key(1), &policy, load).await.unwrap();
    clock.advance(Duration::from_secs(10));
    let load = async |old: Option<Previous<u64>>| {
        assert_eq!(cache.invalidate(key(1)).await, Outcome::Applied);
        Ok::<_, ()>(old.expect("it was there when the load began").unchanged())
    };
    cache.get_or_revalidate(key(1), &policy, load).await.unwrap();
    assert_eq!(cache.peek::<u64>(&key(1)).await, Peek::Miss);
}
