//! `#[locked]`: what it takes, when it lets go, and what it says.

use std::{
    future::pending,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    time::{Duration, Instant},
};

use cachekit::{Cache, Error, ErrorKind, cached, invalidates, key, locked};
use cachekit_test_support::{Proxy, RedisServer};
use cachekit_tests::{Entries, NAMESPACE, cache, patient_builder, soon, until};
use tokio::sync::oneshot;

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Ok,
    Err,
    Panic,
    Never,
}

#[derive(Debug)]
enum Failed {
    Lock(Error),
    Body,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Lock(error)
    }
}

#[locked(key = "order:<id>", lease = "5s", cache = cache)]
async fn ship(cache: &Cache, id: u64, end: End, begun: oneshot::Sender<()>) -> Result<u64, Failed> {
    let _ = begun.send(());
    tokio::task::yield_now().await;
    match end {
        End::Ok => Ok(id),
        End::Err => Err(Failed::Body),
        End::Panic => panic!("the body"),
        End::Never => pending().await,
    }
}

#[tokio::test]
async fn however_the_body_ends_the_lock_is_released() {
    let server = RedisServer::start();
    let (own, other) = (cache(&server.url()).await, cache(&server.url()).await);
    for end in [End::Ok, End::Err, End::Panic, End::Never] {
        let (begun, has_begun) = oneshot::channel();
        let call = tokio::spawn({
            let own = own.clone();
            async move { ship(&own, 7, end, begun).await }
        });
        if end == End::Never {
            has_begun.await.unwrap();
            let busy = other.lock(key!("order:7")).try_acquire().await.unwrap_err();
            assert_eq!(busy.kind(), ErrorKind::Busy);
            call.abort();
        }
        let result = call.await;
        assert_eq!(result.is_ok(), matches!(end, End::Ok | End::Err), "{end:?}");
        let next = other.lock(key!("order:7")).wait(Duration::from_secs(2)).acquire();
        let next = soon(next).await.unwrap_or_else(|error| panic!("{end:?}: {error}"));
        next.release().await.unwrap();
    }
}

#[tokio::test]
async fn an_end_of_the_body_releases_before_the_call_returns() {
    let server = RedisServer::start();
    let (own, other) = (cache(&server.url()).await, cache(&server.url()).await);
    for end in [End::Ok, End::Err] {
        let (begun, _) = oneshot::channel();
        let _ = ship(&own, 7, end, begun).await;
        other.lock(key!("order:7")).try_acquire().await.unwrap().release().await.unwrap();
    }
}

#[locked(key = "order:<id>", wait = wait, cache = cache)]
async fn wait_for(cache: &Cache, id: u64, wait: Duration, runs: &AtomicU32) -> Result<(), Error> {
    runs.fetch_add(1, SeqCst);
    Ok(())
}

#[tokio::test]
async fn busy_the_end_of_the_wait_and_an_outage_are_told_apart() {
    let mut server = RedisServer::start();
    let (own, other) = (cache(&server.url()).await, cache(&server.url()).await);
    let runs = AtomicU32::new(0);
    let held = other.lock(key!("order:7")).acquire().await.unwrap();
    let (begun, _) = oneshot::channel();
    let Err(Failed::Lock(busy)) = ship(&own, 7, End::Ok, begun).await else { panic!("it is held") };
    assert_eq!((busy.kind(), busy.template()), (ErrorKind::Busy, Some("order:<id>")));
    let wait = Duration::from_millis(100);
    let exhausted = wait_for(&own, 7, wait, &runs).await.unwrap_err();
    assert_eq!(exhausted.kind(), ErrorKind::WaitExhausted);
    wait_for(&own, 8, wait, &runs).await.unwrap();
    server.kill();
    let away = wait_for(&own, 8, wait, &runs).await.unwrap_err();
    assert!(matches!(away.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{away:?}");
    assert_eq!(runs.load(SeqCst), 1);
    drop(held);
}

/// Notes that it was dropped.
struct Dropped<'a>(&'a AtomicU32);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[locked(key = "order:<id>", lease = "900ms", wait = "5s", cache = cache)]
async fn for_ever(
    cache: &Cache,
    id: u64,
    begun: oneshot::Sender<()>,
    dropped: &AtomicU32,
) -> Result<(), Error> {
    let _dropped = Dropped(dropped);
    let _ = begun.send(());
    pending().await
}

#[tokio::test]
async fn a_lock_that_is_deleted_or_taken_by_hand_ends_the_body_within_its_lease() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let mut entries = Entries::of(&server);
    let name = format!("ck~lock:{NAMESPACE}:{{order:7}}");
    for by_hand in [["DEL", &name].as_slice(), &["SET", &name, "somebody else"]] {
        entries.raw(&["DEL", &name]);
        let (begun, has_begun) = oneshot::channel();
        let dropped = AtomicU32::new(0);
        let taken_away = async {
            has_begun.await.unwrap();
            entries.raw(by_hand);
            Instant::now()
        };
        let call = for_ever(&cache, 7, begun, &dropped);
        let (result, taken_at) = tokio::join!(call, taken_away);
        assert_eq!(result.unwrap_err().kind(), ErrorKind::LockLost, "{by_hand:?}");
        assert!(taken_at.elapsed() < Duration::from_millis(900), "{:?}", taken_at.elapsed());
        assert_eq!(dropped.load(SeqCst), 1);
    }
}

#[locked(key = "order:<id>", above = floor, guard = lock, cache = cache)]
async fn number(cache: &Cache, id: u64, floor: u64) -> Result<(u64, cachekit::LockHandle), Error> {
    lock.check()?;
    Ok((lock.fencing_token(), lock.clone()))
}

#[tokio::test]
async fn the_handle_tells_the_number_and_that_the_lock_is_gone_with_the_call() {
    let server = RedisServer::start();
    let (own, other) = (cache(&server.url()).await, cache(&server.url()).await);
    let (first, handle) = number(&own, 7, 0).await.unwrap();
    assert_eq!(handle.check().unwrap_err().kind(), ErrorKind::LockLost);
    let (second, _) = number(&other, 7, 0).await.unwrap();
    assert!(second > first);
    let floor = 1 << 51;
    let (third, _) = number(&own, 7, floor).await.unwrap();
    assert!(second < floor, "it counts below that");
    assert_eq!(third, floor + 1);
}

#[locked(key = "account:<from>", key = "account:<to>", keys = more.iter().map(account), cache = cache)]
async fn transfer(cache: &Cache, from: u64, to: u64, more: &[u64]) -> Result<Vec<String>, Error> {
    Ok(Vec::new())
}

fn account(id: &u64) -> cachekit::Key {
    key!("account:<id>")
}

#[tokio::test]
async fn several_keys_are_taken_together_or_not_at_all() {
    let server = RedisServer::start();
    let (own, other) = (cache(&server.url()).await, cache(&server.url()).await);
    transfer(&own, 2, 1, &[3, 1]).await.unwrap();
    for held in 1..=3 {
        let guard = other.lock(key!("account:<held>")).acquire().await.unwrap();
        let busy = transfer(&own, 2, 1, &[3]).await.unwrap_err();
        assert_eq!(busy.kind(), ErrorKind::Busy);
        let free = async |id: u64| {
            let free = other.lock(key!("account:<id>")).wait(Duration::from_secs(2)).acquire();
            soon(free).await.unwrap().release().await.unwrap();
        };
        for id in (1..=3).filter(|id| *id != held) {
            free(id).await;
        }
        guard.release().await.unwrap();
    }
}

#[locked(key = "report")]
async fn report(runs: &AtomicU32) -> Result<(), Error> {
    runs.fetch_add(1, SeqCst);
    Ok(())
}

#[tokio::test]
async fn without_a_cache_the_body_does_not_run_and_a_disabled_one_locks_in_this_process() {
    let runs = AtomicU32::new(0);
    let nowhere = report(&runs).await.unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::Config);
    assert!(nowhere.to_string().contains("::report`"), "{nowhere}");
    let disabled = Cache::disabled();
    let held = disabled.lock(key!("report")).acquire().await.unwrap();
    let busy = Cache::disabled().scope(report(&runs)).await.unwrap_err();
    assert_eq!((busy.kind(), runs.load(SeqCst)), (ErrorKind::Busy, 0));
    held.release().await.unwrap();
    disabled.scope(report(&runs)).await.unwrap();
    assert_eq!(runs.load(SeqCst), 1);
}

#[locked(key = "item:<id>", cache = cache)]
#[cached(key = "item:<id>", ttl = "1h", cache = cache)]
async fn find(cache: &Cache, id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[invalidates("item:<id>", cache = cache)]
#[locked(key = "item:<id>", cache = cache)]
async fn update(cache: &Cache, id: u64) -> Result<(), Error> {
    let _ = id;
    Ok(())
}

fn of_a_lock(command: &cachekit_test_support::Command) -> bool {
    let name = format!("ck~lock:{NAMESPACE}:");
    command.args.iter().any(|arg| arg.starts_with(name.as_bytes()))
}

#[tokio::test]
async fn a_hit_takes_no_lock_and_an_entry_is_gone_before_the_lock_is() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = patient_builder(&proxy.url()).await.build().unwrap();
    let mut entries = Entries::of(&server);
    find(&cache, 7).await.unwrap();
    assert!(entries.is_filled("item:7"));
    let taken = proxy.count(of_a_lock);
    assert!(taken > 0, "the load was locked");
    find(&cache, 7).await.unwrap();
    assert_eq!(proxy.count(of_a_lock), taken);

    let commands = proxy.hold(of_a_lock);
    let call = tokio::spawn({
        let cache = cache.clone();
        async move { update(&cache, 7).await }
    });
    until("it asks for the lock", || commands.waiting() == 1).await;
    assert!(entries.is_filled("item:7"));
    commands.release(1);
    until("it releases the lock", || commands.met() == 2).await;
    assert!(!entries.is_filled("item:7"), "the entry is gone, and the lock is held");
    drop(commands);
    call.await.unwrap().unwrap();
}
