//! What was loaded under a tag goes with it, in every process, and nothing that begins later sees it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cachekit::{
    Cache, ErrorKind, Key, Outcome, Peek, Policy, Status, Ttl, invalidates, key, refresh,
    with_receipt, with_status, writes_through,
};
use cachekit_test_support::{Proxy, RedisServer, Reply};
use cachekit_tests::{
    Entries, POLICY, Polls, cache, first_poll, item, soon, two_handles, until, until_async,
    until_linked,
};
use tokio::sync::Semaphore;

fn org(org: u64) -> Key {
    key!("org:<org>")
}

/// A row, and what a read under the tag `org:7` loads of it.
#[derive(Clone, Debug, Default)]
struct Row(Arc<AtomicU64>);

impl Row {
    fn set(&self, value: u64) {
        self.0.store(value, Ordering::SeqCst);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    async fn read(&self, cache: &Cache) -> (u64, Status) {
        self.read_item(cache, 1).await
    }

    async fn read_item(&self, cache: &Cache, id: u64) -> (u64, Status) {
        let load = async || Ok::<_, ()>(self.get());
        let tagged = cache.tagged([org(7)]);
        let (value, status) = soon(with_status(tagged.get_or_load(item(id), &POLICY, load))).await;
        (value.unwrap(), status)
    }
}

#[tokio::test]
async fn a_tag_takes_what_was_loaded_under_it_and_nothing_else() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        for id in 1..4 {
            assert_eq!(row.read_item(&one, id).await, (0, Status::Loaded));
        }
        let bystander = other.tagged([org(8)]);
        let load = async || Ok::<_, ()>(8_u64);
        bystander.get_or_load(item(8), &POLICY, load).await.unwrap();
        assert_eq!(row.read(&other).await, (0, Status::Hit));
        row.set(1);
        assert_eq!(one.invalidate_tag(org(7)).await, Outcome::Applied);
        for id in 1..4 {
            assert_eq!(row.read_item(&other, id).await, (1, Status::Loaded));
            assert_eq!(row.read_item(&one, id).await, (1, Status::Hit));
        }
        let (_, status) = with_status(bystander.get_or_load(item(8), &POLICY, load)).await;
        assert_eq!(status, Status::Hit);
    }
}

#[tokio::test]
async fn every_tag_of_an_entry_takes_it() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let tags = || (1..9).map(org);
        let tagged = one.try_tagged(tags()).unwrap();
        let read = async || {
            let load = async || Ok::<_, ()>(1_u64);
            with_status(tagged.get_or_load(item(1), &POLICY, load)).await.1
        };
        assert_eq!(read().await, Status::Loaded);
        for tag in tags() {
            assert_eq!(read().await, Status::Hit);
            assert_eq!(other.invalidate_tag(tag).await, Outcome::Applied);
            assert_eq!(read().await, Status::Loaded);
        }
        assert_eq!(
            other.invalidate_tags(tags()).await,
            tags().map(|tag| (tag, Outcome::Applied)).collect::<Vec<_>>()
        );
        assert_eq!(read().await, Status::Loaded);
    }
}

#[tokio::test]
async fn none_or_more_than_eight_tags_are_refused() {
    let cache = Cache::builder().build().unwrap();
    for count in [0, 9, 100] {
        let error = cache.try_tagged((0..count).map(org)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidKey);
        assert!(error.to_string().contains("one to 8 tags"), "{error}");
    }
}

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
async fn a_key_is_a_tag_that_goes_with_its_entry() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        let untagged = async || {
            let load = async || Ok::<_, ()>(row.get());
            with_status(one.get_or_load(org(7), &POLICY, load)).await
        };
        assert_eq!(untagged().await, (Ok(0), Status::Loaded));
        row.read(&one).await;
        row.set(1);
        assert_eq!(other.invalidate_tag(org(7)).await, Outcome::Applied);
        assert_eq!(row.read(&one).await, (1, Status::Loaded));
        assert_eq!(untagged().await, (Ok(0), Status::Hit), "the entry of the key stays");
        row.set(2);
        assert_eq!(other.invalidate(org(7)).await, Outcome::Applied);
        assert_eq!(row.read(&one).await, (2, Status::Loaded));
        assert_eq!(untagged().await, (Ok(2), Status::Loaded));
    }
}

#[tokio::test]
async fn a_written_key_takes_what_was_loaded_under_it() {
    #[writes_through(key = org(id), ttl = "1m", cache = cache)]
    async fn write(cache: &Cache, id: u64, value: u64) -> Result<u64, ()> {
        let _ = id;
        Ok(value)
    }

    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        row.read(&other).await;
        row.set(1);
        assert_eq!(write(&one, 7, 1).await, Ok(1));
        assert_eq!(one.peek::<u64>(&org(7)).await, Peek::Hit(1));
        assert_eq!(row.read(&other).await, (1, Status::Loaded));
    }
}

#[tokio::test]
async fn an_entry_is_found_only_where_its_tags_are_named() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        row.read(&one).await;
        assert_eq!(other.peek::<u64>(&item(1)).await, Peek::Miss);
        assert_eq!(other.tagged([org(8)]).peek::<u64>(&item(1)).await, Peek::Miss);
        assert_eq!(other.tagged([org(7), org(8)]).peek::<u64>(&item(1)).await, Peek::Miss);
        assert_eq!(other.tagged([org(7)]).peek::<u64>(&item(1)).await, Peek::Hit(0));
        let load = async || Ok::<_, ()>(1_u64);
        let read = soon(with_status(other.get_or_load(item(1), &POLICY, load))).await;
        assert_eq!(read, (Ok(1), Status::Loaded), "without tags it is not to be had");
        let outdated = one.tagged([org(7)]).peek::<u64>(&item(1)).await;
        assert_eq!(outdated, Peek::Miss, "nor with tags what has none");
        other.invalidate(item(1)).await;
    }
}

#[tokio::test]
async fn a_lost_generation_is_a_miss_and_the_next_one_holds() {
    let server = RedisServer::start();
    let (one, other) = (cache(&server.url()).await, cache(&server.url()).await);
    let (row, mut entries) = (Row::default(), Entries::of(&server));
    row.read(&one).await;
    let before = entries.get("~t:org:7").unwrap();
    assert_eq!(before.len(), 8);
    assert_eq!(entries.call("DEL", "~t:org:7", &[]), Reply::Int(1));
    row.set(1);
    assert_eq!(row.read(&other).await, (1, Status::Loaded));
    assert_ne!(entries.get("~t:org:7").unwrap(), before);
    assert_eq!(row.read(&one).await, (1, Status::Hit));
    for odd in [&b"odd"[..], b"and longer than a number is"] {
        entries.call("SET", "~t:org:7", &[odd]);
        assert_eq!(row.read(&one).await, (1, Status::Loaded));
        assert_eq!(row.read(&other).await, (1, Status::Hit));
    }
    assert_eq!(one.invalidate_tag(org(7)).await, Outcome::Applied);
    assert_eq!(row.read(&other).await, (1, Status::Loaded));
}

#[tokio::test]
async fn something_else_in_a_generation_s_place_is_read_past_until_it_is_invalidated() {
    let server = RedisServer::start();
    let (one, row) = (cache(&server.url()).await, Row::default());
    row.read(&one).await;
    let mut entries = Entries::of(&server);
    entries.call("DEL", "~t:org:7", &[]);
    entries.call("LPUSH", "~t:org:7", &[b"odd"]);
    assert_eq!(row.read(&one).await, (0, Status::Bypassed));
    assert_eq!(one.invalidate_tag(org(7)).await, Outcome::Applied);
    assert_eq!(row.read(&one).await, (0, Status::Loaded));
    assert_eq!(row.read(&one).await, (0, Status::Hit));
}

/// However often a tag is invalidated, what is outdated is replaced at once: no other program is at work.
#[tokio::test]
async fn outdated_entries_are_replaced_without_a_pause() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        for round in 0..20 {
            row.set(round);
            assert_eq!(row.read(&one).await, (round, Status::Loaded));
            assert_eq!(row.read(&other).await, (round, Status::Hit));
            assert_eq!(other.invalidate_tag(org(7)).await, Outcome::Applied);
        }
    }
}

#[tokio::test]
async fn a_generation_outlasts_what_is_stamped_with_it() {
    let server = RedisServer::start();
    let (one, row) = (cache(&server.url()).await, Row::default());
    let mut entries = Entries::of(&server);
    row.read(&one).await;
    assert!(entries.pttl("~t:org:7") > 110_000, "twice the TTL");
    entries.call("PEXPIRE", "~t:org:7", &[b"70000"]);
    row.read_item(&one, 2).await;
    assert!(entries.pttl("~t:org:7") <= 70_000, "it lasts longer than the entry");
    entries.call("PEXPIRE", "~t:org:7", &[b"50000"]);
    assert_eq!(row.read_item(&one, 2).await.1, Status::Hit);
    assert!(entries.pttl("~t:org:7") <= 50_000, "a hit stamps nothing");
    row.read_item(&one, 3).await;
    assert!(entries.pttl("~t:org:7") > 110_000, "a fill does");
    assert_eq!(row.read_item(&one, 1).await.1, Status::Hit, "it is the same generation");
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

/// Good for a moment, and answered for a minute more.
const STALE: Policy = Policy::from_parts(Ttl::from_millis(1, 0), None)
    .stale_while_revalidate(Duration::from_secs(60));

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

#[writes_through(key = item(id), tags("org:<org>"), ttl = "1m", cache = cache)]
async fn write(cache: &Cache, id: u64, org: u64, bump: bool) -> Result<u64, ()> {
    let _ = id;
    if bump {
        cache.invalidate_tag(self::org(org)).await;
    }
    Ok(10)
}

#[tokio::test]
async fn a_written_value_is_stamped_with_what_was_there_before_the_body() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        assert_eq!(write(&one, 1, 7, false).await, Ok(10));
        assert_eq!(row.read(&other).await, (10, Status::Hit));
        assert_eq!(write(&one, 1, 7, true).await, Ok(10));
        assert_eq!(row.read(&other).await, (0, Status::Loaded));
        assert_eq!(write(&one, 1, 7, false).await, Ok(10));
        assert_eq!(other.invalidate_tag(org(7)).await, Outcome::Applied);
        assert_eq!(row.read(&other).await, (0, Status::Loaded));
        one.invalidate(item(1)).await;
    }
}

#[invalidates(tag = "org:<org>", tag = self::org(*ret), tags = more.iter().copied().map(self::org), cache = cache)]
async fn move_members(cache: &Cache, org: u64, more: &[u64]) -> Result<u64, ()> {
    let _ = more;
    Ok(org + 1)
}

#[tokio::test]
async fn a_writer_names_tags_and_its_receipt_does() {
    let server = RedisServer::start();
    let [_, [one, _]] = two_handles(&server).await;
    let (moved, receipt) = with_receipt(move_members(&one, 7, &[20, 21])).await;
    assert_eq!((moved, receipt.outcome()), (Ok(8), Outcome::Applied));
    let keys: Vec<_> = receipt.entries().iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["~t:org:7", "~t:org:20", "~t:org:21", "~t:org:8"]);
    assert!(receipt.entries().iter().all(|(key, _)| key.is_tag()));
    assert_eq!(receipt.entries()[0].0.template(), "~t:org:<org>");
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
