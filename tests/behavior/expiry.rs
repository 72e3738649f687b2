//! Everything under a key expires: leases always, values after the policy's time, spread by its jitter.

use cachekit::{Cache, Policy, RedisOptions, Status, Ttl, refresh, with_status};
use cachekit_test_support::{Proxy, RedisServer, named};
use cachekit_tests::{
    Entries, POLICY, Polls, SHORT_LEASE, builder, cache, item, soon, until, with_options,
};

async fn load() -> Result<u64, ()> {
    tokio::task::yield_now().await;
    Ok(1)
}

/// Reads, refreshes, invalidates, damages and cancels at random.
async fn storm(cache: &Cache, server: &RedisServer) {
    let mut entries = Entries::of(server);
    for step in 0..300_u64 {
        let id = step % 5;
        let polls = fastrand::usize(1..8);
        match fastrand::u8(0..6) {
            0 => drop(cache.invalidate(item(id)).await),
            1 => drop(entries.call("SETRANGE", &format!("item:{id}"), &[b"30", b"x"])),
            2 => drop(Polls::new(refresh(cache.get_or_load(item(id), &POLICY, load)), polls).await),
            3 => drop(Polls::new(cache.get_or_load(item(id), &POLICY, load), polls).await),
            _ => drop(soon(cache.get_or_load(item(id), &POLICY, load)).await),
        }
    }
}

/// Looks at every key all the time, and returns how often it saw one.
async fn watch(server: &RedisServer) -> usize {
    let (mut entries, mut seen) = (Entries::of(server), 0);
    loop {
        for id in 0..5 {
            // SETRANGE makes a key that is not there, and such a one is the test's own.
            let left = entries.pttl(&format!("item:{id}"));
            let ours = entries.get(&format!("item:{id}")).is_some_and(|bytes| bytes[0] == 0xCA);
            assert!(left != -1 || !ours, "item:{id} never expires");
            seen += usize::from(left > 0);
        }
        if seen > 2000 {
            return seen;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn lease_never_left_without_expiry() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let options = RedisOptions::new().lease_ttl(SHORT_LEASE);
    let cache = with_options(&proxy.url(), options).await.build().unwrap();
    let storms = async {
        loop {
            storm(&cache, &server).await;
        }
    };
    tokio::select! {
        () = storms => {}
        _ = watch(&server) => {}
    }
    let probes = proxy.commands().into_iter().filter(|command| command.is("SET"));
    for probe in probes {
        assert_eq!(probe.args[3..], [&b"NX"[..], b"GET", b"PX", b"300"]);
    }
    assert!(proxy.count(named("SET")) > 50);
}

#[tokio::test]
async fn short_ttl_still_caches() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let mut entries = Entries::of(&server);
    // Both are far below the lease's three seconds.
    let policy = Policy::new(Ttl::from_millis(800, 0));
    let read = || with_status(cache.get_or_load(item(1), &policy, load));
    assert_eq!(read().await, (Ok(1), Status::Loaded));
    assert!((1..=800).contains(&entries.pttl("item:1")));
    assert_eq!(read().await, (Ok(1), Status::Hit));
    until("it has expired", || entries.pttl("item:1") == -2).await;
    assert_eq!(read().await, (Ok(1), Status::Loaded));

    let policy = Policy::new(Ttl::from_millis(1, 0));
    let read = with_status(cache.get_or_load(item(2), &policy, load));
    assert_eq!(read.await, (Ok(1), Status::Loaded));
    soon(until("it has expired", || entries.pttl("item:2") == -2)).await;
}

#[tokio::test]
async fn jitter_spreads_the_expiry_of_a_mass_fill() {
    let server = RedisServer::start();
    let cache = builder(&server.url()).await.build().unwrap();
    let ttl = Ttl::from_millis(60_000, 20_000);
    let mut entries = Entries::of(&server);
    let mut left = Vec::new();
    for id in 0..200 {
        cache.get_or_load(item(id), &Policy::new(ttl), load).await.unwrap();
        left.push(entries.pttl(&format!("item:{id}")));
    }
    assert!(left.iter().all(|left| (35_000..=80_000).contains(left)), "{left:?}");
    for from in (40_i64..80).step_by(10) {
        let range = from * 1000..(from + 10) * 1000;
        let share = left.iter().filter(|left| range.contains(*left)).count();
        assert!((20..=90).contains(&share), "{share} of 200 expire within {range:?} ms");
    }
}
