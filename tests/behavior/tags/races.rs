//! A tag is invalidated while something is loaded under it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cachekit::{Outcome, Status, refresh, with_status};
use cachekit_test_support::{Proxy, RedisServer};
use cachekit_tests::{
    Entries, POLICY, Polls, cache, first_poll, item, soon, two_handles, until, until_async,
    until_linked,
};
use tokio::sync::Semaphore;

use super::{Row, STALE, org};

/// The load reads the row; the write comes, and returns, while it is under way; then somebody joins.
#[tokio::test]
async fn tag_bump_during_load() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        for warm in [false, true] {
            let row = Row::default();
            if warm {
                row.read(&one).await;
                assert_eq!(other.invalidate_tag(org(7)).await, Outcome::Applied);
            }
            let (begun, gate) = (Semaphore::new(0), Semaphore::new(0));
            let read = async || {
                let load = async || {
                    let seen = row.get();
                    begun.add_permits(1);
                    gate.acquire().await.unwrap().forget();
                    Ok::<_, ()>(seen)
                };
                let tagged = one.tagged([org(7)]);
                let (value, status) = with_status(tagged.get_or_load(item(1), &POLICY, load)).await;
                (value.unwrap(), status)
            };
            // Two that wait for a load are covered by the next one, when the first goes away.
            let (mut gone, mut leader, mut covered) =
                (Box::pin(read()), Box::pin(read()), Box::pin(read()));
            until_begun(&mut gone, &begun, 1).await;
            assert!(first_poll(leader.as_mut()).is_pending());
            assert!(first_poll(covered.as_mut()).is_pending());
            drop(gone);
            until_begun(&mut leader, &begun, 2).await;
            row.set(1);
            assert_eq!(other.invalidate_tag(org(7)).await, Outcome::Applied);
            let mut late = Box::pin(row.read(&one));
            assert!(first_poll(late.as_mut()).is_pending(), "it joins the load");
            gate.add_permits(1);
            let (leader, covered, late) = soon(async { tokio::join!(leader, covered, late) }).await;
            assert_eq!(leader, (0, Status::Loaded), "it asked before the write returned");
            assert_eq!(covered, (0, Status::Joined), "so did this one");
            assert_eq!(late, (1, Status::Loaded), "and this one came after it");
            for cache in [&one, &other] {
                assert_eq!(row.read(cache).await, (1, Status::Hit));
            }
            one.invalidate(item(1)).await;
        }
    }
}

/// Polls until so many loads have begun.
async fn until_begun<F: Future>(reading: &mut Pin<Box<F>>, begun: &Semaphore, loads: usize) {
    let all = async {
        while begun.available_permits() < loads {
            assert!(first_poll(reading.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
    };
    soon(all).await;
}

#[tokio::test]
async fn nobody_joins_a_load_whose_tag_waits_for_its_invalidation() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (one, row) = (cache(&proxy.url()).await, Row::default());
    let (begun, gate) = (Semaphore::new(0), Semaphore::new(0));
    let load = async || {
        let seen = row.get();
        begun.add_permits(1);
        gate.acquire().await.unwrap().forget();
        Ok::<_, ()>(seen)
    };
    let tagged = one.tagged([org(7)]);
    let mut leader = Box::pin(tagged.get_or_load(item(1), &POLICY, load));
    until_begun(&mut leader, &begun, 1).await;
    proxy.refuse(true);
    proxy.cut();
    until_linked(&one, false).await;
    row.set(1);
    assert_eq!(one.invalidate_tag(org(7)).await, Outcome::Pending);
    let mut late = Box::pin(row.read(&one));
    assert!(first_poll(late.as_mut()).is_pending(), "it joins the load");
    gate.add_permits(1);
    let (leader, late) = soon(async { tokio::join!(leader, late) }).await;
    assert_eq!((leader, late), (Ok(0), (1, Status::Bypassed)));
    assert_eq!(row.read(&one).await, (1, Status::Bypassed));
    proxy.refuse(false);
    until_async("it went through", async || row.read(&one).await.1 == Status::Hit).await;
    assert_eq!(row.read(&one).await.0, 1);
}

#[tokio::test]
async fn a_refresh_is_stamped_with_what_it_saw_before_its_load() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        let tagged = one.tagged([org(7)]);
        let refreshed = async |bump: bool| {
            let load = async || {
                let seen = row.get();
                if bump {
                    row.set(seen + 1);
                    assert_eq!(other.invalidate_tag(org(7)).await, Outcome::Applied);
                }
                Ok::<_, ()>(seen)
            };
            refresh(tagged.get_or_load(item(1), &POLICY, load)).await.unwrap()
        };
        assert_eq!(refreshed(false).await, 0);
        assert_eq!(row.read(&other).await, (0, Status::Hit));
        assert_eq!(refreshed(true).await, 0, "it asked before the write");
        assert_eq!(row.read(&other).await, (1, Status::Loaded));
        row.set(5);
        assert_eq!(refreshed(false).await, 5);
        assert_eq!(row.read(&other).await, (5, Status::Hit));
        one.invalidate(item(1)).await;
    }
}

/// The load in the background reads the row; the write comes, and returns, while it is under way.
#[tokio::test]
async fn background_refresh_vs_tag() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        let (begun, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let ended = Arc::new(Semaphore::new(0));
        let tagged = one.tagged([org(7)]);
        let read = async |wait: bool| {
            let load = || {
                let (row, begun, gate) = (row.clone(), begun.clone(), gate.clone());
                let ended = ended.clone();
                async move {
                    let seen = row.get();
                    if wait {
                        begun.add_permits(1);
                        gate.acquire().await.unwrap().forget();
                        ended.add_permits(1);
                    }
                    Ok::<_, ()>(seen)
                }
            };
            let reading = tagged.get_or_refresh(item(1), &STALE, load);
            soon(with_status(reading)).await
        };
        assert_eq!(read(false).await, (Ok(0), Status::Loaded));
        // Late by a step of the clock, at most.
        until_async("it is out of date, and loaded anew in the background", async || {
            read(true).await.1 == Status::Stale && begun.available_permits() == 1
        })
        .await;
        row.set(1);
        assert_eq!(other.invalidate_tag(org(7)).await, Outcome::Applied);
        assert_eq!(read(false).await, (Ok(1), Status::Loaded), "nothing of before is served");
        assert_eq!(other.invalidate_tag(org(7)).await, Outcome::Applied);
        gate.add_permits(1);
        soon(ended.acquire()).await.unwrap().forget();
        for _ in 0..50 {
            let (value, _) = read(false).await;
            assert_eq!(value, Ok(1), "nor what was loaded before");
        }
        one.invalidate(item(1)).await;
    }
}

#[tokio::test]
async fn a_read_under_tags_that_is_dropped_in_mid_way_leaves_nothing() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        for polls in 0..12 {
            row.set(polls);
            other.invalidate_tag(org(7)).await;
            let _dropped = Polls::new(row.read(&one), polls as usize).await;
            assert_eq!(row.read(&other).await.0, polls);
            let _dropped = Polls::new(one.invalidate_tag(org(7)), polls as usize).await;
        }
        drop(one);
    }
    let mut entries = Entries::of(&server);
    until("no lease is left", || !entries.is_leased("item:1")).await;
}

/// Readers compare with what had been written when they began; only the tag is ever invalidated.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_read_under_a_tag_is_older_than_a_write_that_had_returned() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let (row, returned) = (Row::default(), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::new();
        for task in 0..8_u64 {
            let cache = if task % 2 == 0 { one.clone() } else { other.clone() };
            let (row, returned) = (row.clone(), returned.clone());
            tasks.push(tokio::spawn(async move {
                for _ in 0..300 {
                    if task < 2 {
                        let value = row.0.fetch_add(1, Ordering::SeqCst) + 1;
                        tokio::task::yield_now().await;
                        assert_eq!(cache.invalidate_tag(org(7)).await, Outcome::Applied);
                        returned.fetch_max(value, Ordering::SeqCst);
                    } else {
                        let floor = returned.load(Ordering::SeqCst);
                        let load = async || {
                            let seen = row.get();
                            for _ in 0..fastrand::u8(0..4) {
                                tokio::task::yield_now().await;
                            }
                            Ok::<_, ()>(seen)
                        };
                        let tagged = cache.tagged([org(7)]);
                        let read = tagged.get_or_load(item(1), &POLICY, load).await.unwrap();
                        assert!(read >= floor, "read {read} after {floor} was written");
                    }
                    for _ in 0..fastrand::u8(0..4) {
                        tokio::task::yield_now().await;
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    }
}
