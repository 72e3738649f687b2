//! What is past its time to live, or soon will be, is loaded anew by one process, in the place of the entry itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cachekit::{
    Cache, Fresh, Outcome, Peek, Policy, Previous, RedisOptions, Status, Ttl, with_status,
};
use cachekit_test_support::{Command, Proxy, RedisServer};
use cachekit_tests::{
    Entries, SHORT_LEASE, builder, cache, item, soon, until, until_async, with_options,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

const TTL: Duration = Duration::from_millis(50);
const SHORT: Policy = Policy::from_parts(Ttl::from_millis(50, 0), None);
const STALE: Policy = SHORT.stale_while_revalidate(Duration::from_secs(600));

/// A row whose loads wait until they are let go.
#[derive(Clone, Default)]
struct Row {
    version: Arc<AtomicU64>,
    loads: Arc<AtomicU64>,
    begun: Arc<Notify>,
    go: Arc<Notify>,
}

impl Row {
    async fn load(self) -> Result<u64, ()> {
        self.loads.fetch_add(1, SeqCst);
        let version = self.version.load(SeqCst);
        self.begun.notify_one();
        self.go.notified().await;
        Ok(version)
    }

    async fn read(&self, cache: &Cache) -> (Result<u64, ()>, Status) {
        soon(with_status(cache.get_or_refresh(item(1), &STALE, || self.clone().load()))).await
    }

    /// Puts the row into the cache, and waits until that is out of date.
    async fn age(&self, cache: &Cache) {
        self.go.notify_one();
        self.read(cache).await.0.unwrap();
        self.begun.notified().await;
        outlive_ttl().await;
    }
}

/// Until what was put there before is out of date: only time makes it so. The clock may be late by a step.
async fn outlive_ttl() {
    sleep_until(Instant::now() + TTL + Duration::from_millis(10)).await;
}

async fn no_marks(server: &RedisServer) {
    let mut entries = Entries::of(server);
    soon(until("the mark is taken back", || entries.keys("ck~r:").is_empty())).await;
}

#[tokio::test]
async fn of_two_processes_one_loads_and_both_answer_at_once() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let row = Row::default();
    row.age(&a).await;
    row.version.store(1, SeqCst);
    assert_eq!(row.read(&a).await, (Ok(0), Status::Stale));
    soon(row.begun.notified()).await;
    assert_eq!(Entries::of(&server).keys("ck~r:"), ["ck~r:t:item:1"]);
    for _ in 0..50 {
        assert_eq!(row.read(&b).await, (Ok(0), Status::Stale));
        assert_eq!(row.read(&a).await, (Ok(0), Status::Stale));
    }
    assert_eq!(row.loads.load(SeqCst), 2);
    row.go.notify_one();
    let found = async || a.peek::<u64>(&item(1)).await == Peek::Hit(1);
    soon(until_async("the new value is there", found)).await;
    assert_eq!(row.loads.load(SeqCst), 2);
    no_marks(&server).await;
}

#[tokio::test]
async fn background_refresh_vs_invalidate() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    for writer in [&a, &b] {
        let row = Row::default();
        row.age(&a).await;
        assert_eq!(row.read(&a).await, (Ok(0), Status::Stale));
        soon(row.begun.notified()).await;
        // The load in the background has read the old row; now that is written.
        row.version.store(1, SeqCst);
        assert_eq!(writer.invalidate(item(1)).await, Outcome::Applied);
        row.go.notify_one();
        no_marks(&server).await;
        assert_eq!(a.peek::<u64>(&item(1)).await, Peek::Miss, "what it loaded is too old");
        row.go.notify_one();
        assert_eq!(row.read(&b).await, (Ok(1), Status::Loaded));
        row.begun.notified().await;
        assert_eq!(b.invalidate(item(1)).await, Outcome::Applied);
    }
}

#[tokio::test]
async fn a_refresh_leaves_what_another_load_has_filled() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let row = Row::default();
    row.age(&a).await;
    assert_eq!(row.read(&a).await, (Ok(0), Status::Stale));
    soon(row.begun.notified()).await;
    assert_eq!(b.invalidate(item(1)).await, Outcome::Applied);
    assert_eq!(b.get_or_load(item(1), &STALE, async || Ok::<_, ()>(7_u64)).await, Ok(7));
    row.go.notify_one();
    no_marks(&server).await;
    assert_eq!(a.peek::<u64>(&item(1)).await, Peek::Hit(7));
}

#[tokio::test]
async fn callers_without_a_background_have_the_old_value_while_one_of_them_loads() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let row = Row::default();
    row.age(&a).await;
    row.version.store(1, SeqCst);
    let load = async |cache: &Cache| {
        let load = async || row.clone().load().await;
        with_status(cache.get_or_load(item(1), &STALE, load)).await
    };
    let others = async {
        row.begun.notified().await;
        let mut entries = Entries::of(&server);
        assert!(entries.is_filled("item:1"), "the entry stays");
        for cache in [&a, &b, &a] {
            assert_eq!(soon(load(cache)).await, (Ok(0), Status::Stale));
        }
        row.go.notify_one();
    };
    let (read, ()) = tokio::join!(load(&a), others);
    assert_eq!(read, (Ok(1), Status::Loaded));
    assert_eq!(row.loads.load(SeqCst), 2);
    assert_eq!(b.peek::<u64>(&item(1)).await, Peek::Hit(1));
    no_marks(&server).await;
}

/// Kept past its time to live for loads alone: callers wait.
const KEPT: Policy = SHORT.revalidate_within(Duration::from_secs(600));

#[tokio::test]
async fn callers_wait_for_the_one_process_that_loads_over_an_old_entry() {
    const KEY: &[u8] = b"ck:t:item:1";

    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (a, b) = (cache(&proxy.url()).await, cache(&proxy.url()).await);
    let row = Row::default();
    a.get_or_load(item(1), &KEPT, async || Ok::<_, ()>(0_u64)).await.unwrap();
    outlive_ttl().await;
    row.version.store(1, SeqCst);
    // Good for long, so that whoever waited finds it still good.
    let good = Policy::new(Duration::from_secs(60)).revalidate_within(Duration::from_secs(60));
    let load = async |cache: &Cache| {
        let load = async || row.clone().load().await;
        with_status(cache.get_or_load(item(1), &good, load)).await
    };
    let go = async {
        row.begun.notified().await;
        let of_the_key = |command: &Command| command.args.get(1).is_some_and(|key| key == KEY);
        let before = proxy.count(of_the_key);
        until("the other looks again and again", || proxy.count(of_the_key) > before + 2).await;
        row.go.notify_one();
    };
    let (one, two, ()) = soon(async { tokio::join!(load(&a), load(&b), go) }).await;
    let mut statuses = [one.1, two.1];
    statuses.sort_unstable_by_key(|status| status.as_str());
    assert_eq!((one.0, two.0, statuses), (Ok(1), Ok(1), [Status::Hit, Status::Loaded]));
    assert_eq!(row.loads.load(SeqCst), 1);
}

#[tokio::test]
async fn a_process_that_died_with_its_mark_costs_a_wait() {
    let server = RedisServer::start();
    let options = RedisOptions::new().lease_ttl(SHORT_LEASE);
    let builder = with_options(&server.url(), options).await;
    let cache = builder.lease_wait(Duration::from_millis(350)).build().unwrap();
    cache.get_or_load(item(1), &KEPT, async || Ok::<_, ()>(0_u64)).await.unwrap();
    outlive_ttl().await;
    Entries::of(&server).raw(&["SET", "ck~r:t:item:1", "somebody", "PX", "600000"]);
    let read = cache.get_or_load(item(1), &KEPT, async || Ok::<_, ()>(1_u64));
    assert_eq!(soon(with_status(read)).await, (Ok(1), Status::Loaded));
    assert_eq!(cache.peek::<u64>(&item(1)).await, Peek::Hit(1), "it was filled all the same");
}

#[tokio::test]
async fn a_load_that_failed_is_tried_again_after_a_pause() {
    let server = RedisServer::start();
    let cache = builder(&server.url()).await.build().unwrap();
    let row = Row::default();
    row.age(&cache).await;
    let tries = Arc::new(AtomicU64::new(0));
    let read = async || {
        let load = || {
            let tries = tries.clone();
            async move {
                tries.fetch_add(1, SeqCst);
                Err::<u64, ()>(())
            }
        };
        with_status(cache.get_or_refresh(item(1), &STALE, load)).await
    };
    for _ in 0..100 {
        assert_eq!(read().await, (Ok(0), Status::Stale), "errors are nobody's business");
    }
    soon(until("it is tried", || tries.load(SeqCst) > 0)).await;
    for _ in 0..100 {
        read().await.0.unwrap();
    }
    assert!(tries.load(SeqCst) < 4, "once a second");
}

#[tokio::test]
async fn a_value_that_still_holds_has_its_time_begun_anew() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let load = async |_: Option<Previous<u64>>| Ok::<_, ()>(Fresh::new(7));
    cache.get_or_revalidate(item(1), &KEPT, load).await.unwrap();
    outlive_ttl().await;
    let mut entries = Entries::of(&server);
    let before = entries.get("item:1").unwrap();
    let good = Policy::new(Duration::from_secs(60)).revalidate_within(Duration::from_secs(60));
    let load = async |old: Option<Previous<u64>>| Ok::<_, ()>(old.unwrap().unchanged());
    let read = with_status(cache.get_or_revalidate(item(1), &good, load)).await;
    assert_eq!(read, (Ok(7), Status::Loaded));
    assert_ne!(entries.get("item:1").unwrap(), before);
    assert!((100_000..=120_000).contains(&entries.pttl("item:1")));
    let load = async |_: Option<Previous<u64>>| -> Result<Fresh<u64>, ()> { panic!("it is good") };
    let read = with_status(cache.get_or_revalidate(item(1), &good, load)).await;
    assert_eq!(read, (Ok(7), Status::Hit));
}
