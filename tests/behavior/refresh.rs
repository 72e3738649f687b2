//! `refresh` loads and replaces, and never puts back what a write has made old.

use cachekit::{Cache, Outcome, Peek, Status, refresh, with_status};
use cachekit_test_support::{RedisServer, Reply};
use cachekit_tests::{Entries, POLICY, cache, item, soon};

async fn refreshed(cache: &Cache, value: u64) -> (Result<u64, ()>, Status) {
    let load = async || Ok(value);
    soon(with_status(refresh(cache.get_or_load(item(1), &POLICY, load)))).await
}

#[tokio::test]
async fn refresh_replaces_what_is_there_and_starts_its_time_anew() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let mut entries = Entries::of(&server);
    assert_eq!(refreshed(&a, 1).await, (Ok(1), Status::Loaded), "there was nothing");
    assert_eq!(b.peek::<u64>(&item(1)).await, Peek::Hit(1));
    assert_eq!(entries.call("PEXPIRE", "item:1", &[b"20000"]), Reply::Int(1));
    assert_eq!(refreshed(&b, 2).await, (Ok(2), Status::Loaded));
    assert_eq!(a.peek::<u64>(&item(1)).await, Peek::Hit(2));
    assert!(entries.pttl("item:1") > 50_000);
    entries.call("SETRANGE", "item:1", &[b"57", b"????"]);
    assert_eq!(refreshed(&b, 3).await, (Ok(3), Status::Loaded), "it was damaged");
    assert_eq!(a.peek::<u64>(&item(1)).await, Peek::Hit(3));
}

#[tokio::test]
async fn refresh_overtaken_by_an_invalidation_is_not_kept() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    for (writer, there) in [(&a, false), (&b, false), (&a, true), (&b, true)] {
        if there {
            refreshed(&b, 1).await.0.unwrap();
        }
        let load = async || {
            assert_eq!(writer.invalidate(item(1)).await, Outcome::Applied);
            Ok::<_, ()>(2_u64)
        };
        let read = soon(with_status(refresh(a.get_or_load(item(1), &POLICY, load)))).await;
        assert_eq!(read, (Ok(2), Status::Loaded));
        assert_eq!(b.peek::<u64>(&item(1)).await, Peek::Miss);
        assert_eq!(Entries::of(&server).pttl("item:1"), -2);
    }
}

#[tokio::test]
async fn failed_refresh_leaves_the_entry_and_no_lease() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let fail = async || Err::<u64, _>("no database");
    let failed = refresh(cache.get_or_load(item(1), &POLICY, fail)).await;
    assert_eq!(failed, Err("no database"));
    let mut entries = Entries::of(&server);
    soon(cachekit_tests::until("the lease is given up", || entries.pttl("item:1") == -2)).await;
    refreshed(&cache, 1).await.0.unwrap();
    let failed = refresh(cache.get_or_load(item(1), &POLICY, fail)).await;
    assert_eq!(failed, Err("no database"));
    assert_eq!(cache.peek::<u64>(&item(1)).await, Peek::Hit(1));
}
