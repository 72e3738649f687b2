//! What a batch asks for, and what it gives.

use cachekit::{Peek, Status, bypass, refresh, with_status};
use cachekit_test_support::{Proxy, RedisServer, named};
use cachekit_tests::{Entries, POLICY, cached, first_poll, item, patient_builder, soon, until};

use super::{Rows, caches, get, get_with};

#[tokio::test]
async fn of_a_hundred_keys_the_seven_that_are_missing_are_loaded_in_one_call() {
    let (_server, caches) = caches().await;
    for cache in caches {
        let ids: Vec<_> = (0..100).collect();
        let missing = [3, 14, 15, 92, 65, 35, 89];
        let there: Vec<_> = ids.iter().copied().filter(|id| !missing.contains(id)).collect();
        get(&cache, &there, &Rows::default()).await;

        let rows = Rows::default();
        assert_eq!(get(&cache, &ids, &rows).await, Rows::of(&ids));
        let mut calls = rows.calls();
        calls.iter_mut().for_each(|ids| ids.sort_unstable());
        assert_eq!(calls, [[3, 14, 15, 35, 65, 89, 92]]);

        assert_eq!(get(&cache, &ids, &rows).await, Rows::of(&ids));
        assert_eq!(rows.calls().len(), 1, "now all are there");
    }
}

#[tokio::test]
async fn an_id_that_is_repeated_is_loaded_once_and_answered_each_time() {
    let (_server, caches) = caches().await;
    for cache in caches {
        let rows = Rows::default();
        let ids = [7, 5, 7, 99_999, 5, 99_999];
        assert_eq!(get(&cache, &ids, &rows).await, Rows::of(&ids));
        assert_eq!(rows.calls(), [[7, 5, 99_999]]);
        assert_eq!(get(&cache, &ids, &rows).await, Rows::of(&ids));
        assert_eq!(rows.calls().len(), 1);
    }
}

#[tokio::test]
async fn an_id_that_is_left_out_is_kept_as_absent_where_the_policy_says_so() {
    let (_server, caches) = caches().await;
    for cache in caches {
        let rows = Rows::default();
        let never = POLICY.never_absent();
        for _ in 0..2 {
            assert_eq!(get_with(&cache, &[10_001, 1], &never, &rows).await, [None, Some(10)]);
        }
        assert_eq!(rows.calls(), [vec![10_001, 1], vec![10_001]]);
        for _ in 0..2 {
            assert_eq!(get(&cache, &[10_002, 2], &rows).await, [None, Some(20)]);
        }
        assert_eq!(rows.calls().len(), 3);
        assert_eq!(cache.peek::<u64>(&item(10_002)).await, Peek::Absent);
        assert_eq!(cache.peek::<u64>(&item(10_001)).await, Peek::Miss);
    }
}

#[tokio::test]
async fn no_ids_ask_for_nothing() {
    let (_server, caches) = caches().await;
    for cache in caches {
        let rows = Rows::default();
        assert_eq!(get(&cache, &[], &rows).await, []);
        assert!(rows.calls().is_empty());
    }
}

#[tokio::test]
async fn a_batch_and_a_single_read_share_their_entries() {
    let (_server, caches) = caches().await;
    for cache in caches {
        let rows = Rows::default();
        get(&cache, &[1, 2], &rows).await;
        assert_eq!(cache.get_or_load(item(1), &POLICY, cached::<u64>).await, Ok(10));
        let load = async || Ok::<_, ()>(30_u64);
        assert_eq!(cache.get_or_load(item(3), &POLICY, load).await, Ok(30));
        cache.invalidate(item(2)).await;
        assert_eq!(get(&cache, &[1, 2, 3], &rows).await, Rows::of(&[1, 2, 3]));
        assert_eq!(rows.calls(), [vec![1, 2], vec![2]]);
    }
}

#[tokio::test]
async fn wrappers_around_a_batch_mean_all_of_its_keys() {
    let (_server, caches) = caches().await;
    for cache in caches {
        let rows = Rows::default();
        let ids = [1, 2, 3];
        let loaded = with_status(get(&cache, &ids, &rows)).await;
        assert_eq!(loaded, (Rows::of(&ids), Status::Loaded));
        assert_eq!(with_status(get(&cache, &ids, &rows)).await.1, Status::Hit);
        assert_eq!(with_status(get(&cache, &[3, 4], &rows)).await.1, Status::Loaded);

        let bypassed = with_status(bypass(get(&cache, &ids, &rows))).await;
        assert_eq!(bypassed, (Rows::of(&ids), Status::Bypassed));
        assert_eq!(rows.calls(), [vec![1, 2, 3], vec![4], vec![1, 2, 3]]);

        let tenfold = async |ids: Vec<u64>| Ok::<_, ()>(ids.into_iter().map(|id| (id, id * 100)));
        let fresh = refresh(cache.get_many(ids, |id| item(*id), &POLICY, tenfold)).await.unwrap();
        assert_eq!(fresh, [(1, Some(100)), (2, Some(200)), (3, Some(300))]);
        assert_eq!(cache.peek::<u64>(&item(2)).await, Peek::Hit(200), "it was replaced");
        assert_eq!(cache.peek::<u64>(&item(4)).await, Peek::Hit(40));
    }
}

#[tokio::test]
async fn a_load_that_reads_its_own_keys_does_not_wait_for_itself() {
    let (_server, caches) = caches().await;
    for cache in caches {
        let load = async |ids: Vec<u64>| {
            let rows = Rows::default();
            let inner = get(&cache, &[1, 2, 3], &rows).await;
            assert_eq!(inner, Rows::of(&[1, 2, 3]));
            assert_eq!(rows.calls().concat().len(), 3);
            Ok::<_, ()>(ids.into_iter().map(|id| (id, id)))
        };
        let read = cache.get_many([1, 2], |id| item(*id), &POLICY, load);
        assert_eq!(soon(read).await.unwrap(), [(1, Some(1)), (2, Some(2))]);
    }
}

/// Commands in one write.
const WRITE: usize = 512;

#[tokio::test]
async fn probes_and_fills_of_many_keys_take_few_writes() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = patient_builder(&proxy.url()).await.build().unwrap();
    // So that Redis knows the script of fills.
    get(&cache, &[9999], &Rows::default()).await;
    let count = |name: &'static str| proxy.count(named(name));
    let (probed, filled) = (count("SET"), count("EVALSHA"));
    let ids: Vec<_> = (0..1200).collect();
    let rows = Rows::default();
    let (probes, fills) = (proxy.hold_replies(named("SET")), proxy.hold_replies(named("EVALSHA")));
    let mut read = Box::pin(get(&cache, &ids, &rows));
    assert!(first_poll(read.as_mut()).is_pending());
    let watch = async {
        for (name, before, replies) in [("SET", probed, &probes), ("EVALSHA", filled, &fills)] {
            for sent in [WRITE, 2 * WRITE, ids.len()] {
                // All of a write is on its way before the first reply, and nothing of the next.
                until("a write was sent", || count(name) - before == sent).await;
                until("a reply waits", || replies.waiting() == 1).await;
                assert_eq!(count(name) - before, sent);
                replies.release(WRITE);
            }
        }
    };
    let (found, ()) = soon(async { tokio::join!(read, watch) }).await;
    assert_eq!(found, Rows::of(&ids));
    assert_eq!(rows.calls().len(), 1);
    let mut entries = Entries::of(&server);
    assert!(ids.iter().all(|id| entries.is_filled(&format!("item:{id}"))));
}

#[tokio::test]
async fn warm_keys_take_one_write_and_leave_no_lease() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = patient_builder(&proxy.url()).await.build().unwrap();
    let ids: Vec<_> = (0..100).collect();
    let rows = Rows::default();
    get(&cache, &ids, &rows).await;
    // A run of hits, after which a read looks before it asks for a lease.
    get(&cache, &ids, &rows).await;
    let before = proxy.commands().len();
    assert_eq!(get(&cache, &ids, &rows).await, Rows::of(&ids));
    let commands = proxy.commands();
    let sent = commands[before..].iter().filter(|command| !command.is("PING"));
    // The outer two count as writes: a server that refuses invalidations refuses them too.
    let names: Vec<_> = sent.map(|command| command.args[0].as_slice()).collect();
    assert_eq!(names, [b"GETEX".as_slice(), b"MGET", b"GETEX"]);
    assert_eq!(rows.calls().len(), 1);
}
