//! An operator may empty Redis, or its script cache, at any time.

use std::time::{Duration, Instant};

use cachekit::{Outcome, RedisOptions, Status, with_status};
use cachekit_test_support::{Proxy, RedisServer, named};
use cachekit_tests::{
    Entries, POLICY, SHORT_LEASE, cache, cached, item, soon, until, with_options,
};

#[tokio::test]
async fn flushall_is_harmless() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let mut entries = Entries::of(&server);
    let old = async || Ok::<_, ()>("old".to_owned());
    let new = async || Ok::<_, ()>("new".to_owned());
    assert_eq!(a.get_or_load(item(1), &POLICY, old).await.as_deref(), Ok("old"));
    entries.raw(&["FLUSHALL"]);
    let read = with_status(a.get_or_load(item(1), &POLICY, new)).await;
    assert_eq!(read, (Ok("new".to_owned()), Status::Loaded));

    // Under a load, and with a write that the load has not seen: its value must not come back.
    let overtaken = async || {
        entries.raw(&["FLUSHALL"]);
        assert_eq!(b.invalidate(item(2)).await, Outcome::Applied);
        let read = soon(b.get_or_load(item(2), &POLICY, new)).await;
        assert_eq!(read.as_deref(), Ok("new"));
        Ok::<_, ()>("old".to_owned())
    };
    let read = soon(a.get_or_load(item(2), &POLICY, overtaken)).await;
    assert_eq!(read.as_deref(), Ok("new"));
    assert_eq!(b.get_or_load(item(2), &POLICY, cached).await, Ok("new".to_owned()));

    // Under a load and nothing else: the key was absent after the load began, so its value is good.
    let flushed = async || {
        entries.raw(&["FLUSHALL"]);
        Ok::<_, ()>("own".to_owned())
    };
    let read = soon(a.get_or_load(item(3), &POLICY, flushed)).await;
    assert_eq!(read.as_deref(), Ok("own"));
    assert_eq!(soon(b.get_or_load(item(3), &POLICY, new)).await.as_deref(), Ok("new"));
}

#[tokio::test]
async fn script_flush_is_harmless() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let options = RedisOptions::new().lease_ttl(SHORT_LEASE);
    let cache = with_options(&proxy.url(), options).await.build().unwrap();
    let mut entries = Entries::of(&server);
    for id in 0..2 {
        // Fills.
        entries.raw(&["SCRIPT", "FLUSH"]);
        let load = async || Ok::<_, ()>(1_u64);
        let read = with_status(cache.get_or_load(item(id), &POLICY, load)).await;
        assert_eq!(read, (Ok(1), Status::Loaded));
        assert_eq!(cache.get_or_load(item(id), &POLICY, cached).await, Ok(1_u64));

        // Replacements.
        entries.raw(&["SCRIPT", "FLUSH"]);
        entries.call("SETRANGE", &format!("item:{id}"), &[b"57", b"????"]);
        let read = with_status(cache.get_or_load(item(id), &POLICY, load)).await;
        assert_eq!(read, (Ok(1), Status::Loaded));

        // Foreign types.
        entries.raw(&["SCRIPT", "FLUSH"]);
        let other = 10 + id;
        entries.call("RPUSH", &format!("item:{other}"), &[b"a"]);
        let read = with_status(cache.get_or_load(item(other), &POLICY, load)).await;
        assert_eq!(read, (Ok(1), Status::Loaded));

        // Leases that are given up.
        entries.raw(&["SCRIPT", "FLUSH"]);
        let failing = 20 + id;
        let failed = cache.get_or_load(item(failing), &POLICY, async || Err::<u64, _>(())).await;
        assert_eq!(failed, Err(()));
        let gone =
            until("the lease is given up", || entries.pttl(&format!("item:{failing}")) == -2);
        soon(gone).await;
    }
    assert!(proxy.count(named("EVAL")) >= 8, "scripts were sent anew");
}

#[tokio::test]
async fn script_flush_does_not_end_a_slow_load() {
    let server = RedisServer::start();
    let options = RedisOptions::new().lease_ttl(SHORT_LEASE);
    let cache = with_options(&server.url(), options).await.build().unwrap();
    let slow = async || {
        let (at, mut entries) = (Instant::now(), Entries::of(&server));
        until("the lease was extended without its script", || {
            entries.raw(&["SCRIPT", "FLUSH"]);
            at.elapsed() > SHORT_LEASE + Duration::from_millis(200)
        })
        .await;
        Ok::<_, ()>(1_u64)
    };
    let read = with_status(cache.get_or_load(item(1), &POLICY, slow)).await;
    assert_eq!(read, (Ok(1), Status::Loaded));
    assert_eq!(cache.get_or_load(item(1), &POLICY, cached).await, Ok(1_u64));
}
