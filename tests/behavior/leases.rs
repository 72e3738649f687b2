//! A lease lasts as long as its load, and no longer than its holder.

use std::pin::pin;
use std::time::Instant;

use cachekit::{RedisOptions, Status, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{
    Entries, POLICY, SHORT_LEASE, cache, cached, item, soon, until, with_options,
};
use tokio::sync::oneshot;

fn short_lease() -> RedisOptions {
    RedisOptions::new().lease_ttl(SHORT_LEASE)
}

/// Begins a load and stops dead: nothing of this process runs on, as after a SIGKILL.
fn die_in_a_load(url: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let cache = with_options(url, short_lease()).await.build().unwrap();
        let (begun, has_begun) = oneshot::channel();
        let mut read = Box::pin(async move {
            let load = async || {
                begun.send(()).unwrap();
                std::future::pending::<Result<u64, ()>>().await
            };
            cache.get_or_load(item(1), &POLICY, load).await
        });
        tokio::select! {
            _ = &mut read => unreachable!("its load never ends"),
            begun = has_begun => begun.unwrap(),
        }
        std::mem::forget(read);
    });
    std::mem::forget(runtime);
}

#[tokio::test]
async fn lease_holder_killed_frees_the_key() {
    let server = RedisServer::start();
    let url = server.url();
    tokio::task::spawn_blocking(move || die_in_a_load(&url)).await.unwrap();
    assert!(Entries::of(&server).is_leased("item:1"));
    let survivors = [cache(&server.url()).await, cache(&server.url()).await];
    let read = async |cache: &cachekit::Cache| {
        let load = async || Ok::<_, ()>(2_u64);
        with_status(cache.get_or_load(item(1), &POLICY, load)).await
    };
    let (one, two) = soon(async { tokio::join!(read(&survivors[0]), read(&survivors[1])) }).await;
    let mut statuses = [one.1.as_str(), two.1.as_str()];
    statuses.sort_unstable();
    assert_eq!((one.0, two.0), (Ok(2), Ok(2)));
    assert_eq!(statuses, ["hit", "loaded"], "one of them loads, and in the shared cache");
}

#[tokio::test]
async fn slow_loader_keeps_its_lease() {
    let server = RedisServer::start();
    let holder = with_options(&server.url(), short_lease()).await.build().unwrap();
    let waiter = cache(&server.url()).await;
    let (begun, has_begun) = oneshot::channel();
    let load = async || {
        begun.send(()).unwrap();
        let (at, mut entries) = (Instant::now(), Entries::of(&server));
        until("the lease outlives its first term three times", || {
            let left = entries.pttl("item:1");
            assert!((1..=300).contains(&left), "{left} ms left");
            at.elapsed() > 3 * SHORT_LEASE
        })
        .await;
        assert!(entries.is_leased("item:1"));
        Ok::<_, ()>(1_u64)
    };
    let reads = async {
        let wait = async {
            has_begun.await.unwrap();
            waiter.get_or_load(item(1), &POLICY, cached::<u64>).await
        };
        tokio::join!(with_status(holder.get_or_load(item(1), &POLICY, load)), with_status(wait))
    };
    assert_eq!(reads.await, ((Ok(1), Status::Loaded), (Ok(1), Status::Hit)));
}

#[tokio::test]
async fn failed_load_frees_the_key_at_once() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let failed = a.get_or_load(item(1), &POLICY, async || Err::<u64, _>("no database")).await;
    assert_eq!(failed, Err("no database"));
    let mut read = pin!(b.get_or_load(item(1), &POLICY, async || Ok::<_, ()>(1_u64)));
    assert_eq!(soon(with_status(&mut read)).await, (Ok(1), Status::Loaded));
}
