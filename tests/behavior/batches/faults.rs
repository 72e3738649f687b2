//! What goes wrong with one key of a batch harms no other.

use std::convert::Infallible;
use std::future::ready;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cachekit::{Cache, Outcome, Peek, Status, cached, key, with_status};
use cachekit_test_support::{Proxy, RedisServer, named};
use cachekit_tests::{
    Entries, NAMESPACE, POLICY, Polls, builder, cache, first_poll, item, soon, until, until_linked,
};
use tokio::sync::{Semaphore, oneshot};

use super::{Rows, caches, get};

#[tokio::test]
async fn batch_one_key_revoked_others_kept() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let embedded = Cache::builder().build().unwrap();
    for (reader, writer) in [(&a, &b), (&a, &a), (&embedded, &embedded)] {
        let load = async |ids: Vec<u64>| {
            assert_eq!(ids, [1, 2, 3]);
            assert_eq!(writer.invalidate(item(2)).await, Outcome::Applied);
            Ok::<_, ()>(ids.into_iter().map(|id| (id, id * 10)))
        };
        let read = soon(reader.get_many([1, 2, 3], |id| item(*id), &POLICY, load)).await;
        assert_eq!(read.unwrap(), [(1, Some(10)), (2, Some(20)), (3, Some(30))]);
        assert_eq!(reader.peek::<u64>(&item(1)).await, Peek::Hit(10));
        assert_eq!(reader.peek::<u64>(&item(2)).await, Peek::Miss, "it may be old");
        assert_eq!(reader.peek::<u64>(&item(3)).await, Peek::Hit(30));

        let rows = Rows::default();
        assert_eq!(get(reader, &[1, 2, 3], &rows).await, Rows::of(&[1, 2, 3]));
        assert_eq!(rows.calls(), [[2]]);
        for id in [1, 2, 3] {
            reader.invalidate(item(id)).await;
        }
    }
}

#[tokio::test]
async fn a_key_that_holds_something_odd_harms_no_other() {
    let server = RedisServer::start();
    let mut entries = Entries::of(&server);
    let reader = cache(&server.url()).await;
    let ids = [0, 1, 2, 3, 4, 5];
    get(&reader, &[1, 2, 5], &Rows::default()).await;
    entries.call("RPUSH", "item:0", &[b"a list"]);
    entries.call("SETRANGE", "item:1", &[b"57", b"???"]);
    entries.call("SET", "item:2", &[b"not ours at all"]);
    let text = async || Ok::<_, ()>("of another type".to_owned());
    reader.get_or_load(item(4), &POLICY, text).await.unwrap();

    let rows = Rows::default();
    assert_eq!(soon(get(&reader, &ids, &rows)).await, Rows::of(&ids));
    let mut calls = rows.calls();
    calls.iter_mut().for_each(|ids| ids.sort_unstable());
    assert_eq!(calls, [[0, 1, 2, 3, 4]], "all that is missing, in one call");
    assert_eq!(soon(get(&reader, &ids, &rows)).await, Rows::of(&ids));
    assert_eq!(rows.calls().len(), 1, "each was replaced");
}

#[tokio::test]
async fn scripts_that_redis_has_forgotten_are_sent_again() {
    let server = RedisServer::start();
    let reader = cache(&server.url()).await;
    let mut entries = Entries::of(&server);
    let ids: Vec<_> = (0..50).collect();
    get(&reader, &[999], &Rows::default()).await;
    entries.raw(&["SCRIPT", "FLUSH"]);
    get(&reader, &ids, &Rows::default()).await;
    assert!(ids.iter().all(|id| entries.is_filled(&format!("item:{id}"))));
}

#[tokio::test]
async fn without_redis_one_load_brings_all_of_a_batch() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let reader = builder(&proxy.url()).await.load_limit(1).build().unwrap();
    proxy.refuse(true);
    proxy.cut();
    until_linked(&reader, false).await;
    let rows = Rows::default();
    let ids: Vec<_> = (0..600).collect();
    let read = soon(with_status(get(&reader, &ids, &rows))).await;
    assert_eq!(read, (Rows::of(&ids), Status::Bypassed));
    assert_eq!(rows.calls().len(), 1, "with one permit for all of its keys");
    // The permit was given back.
    assert_eq!(soon(get(&reader, &ids, &rows)).await, Rows::of(&ids));
}

#[tokio::test]
async fn a_server_that_refuses_invalidations_is_not_read_from() {
    let server = RedisServer::start();
    let reader = cache(&server.url()).await;
    let ids: Vec<_> = (0..60).collect();
    for _ in 0..2 {
        get(&reader, &ids, &Rows::default()).await;
    }
    assert_eq!(with_status(get(&reader, &ids, &Rows::default())).await.1, Status::Hit);
    server.config_set("min-replicas-to-write", "1");
    let rows = Rows::default();
    let read = soon(with_status(get(&reader, &ids, &rows))).await;
    assert_eq!(read, (Rows::of(&ids), Status::Bypassed));
    assert_eq!(rows.calls().len(), 1);
}

/// A user who may not read one of the keys is refused all that are read together; each is then asked for by itself.
#[tokio::test]
async fn a_forbidden_key_harms_no_other() {
    let server = RedisServer::start();
    let items = format!("~ck:{NAMESPACE}:item:*");
    Entries::of(&server).raw(&["ACL", "SETUSER", "app", "on", "nopass", &items, "+@all"]);
    let reader = cache(&server.url().replace("//", "//app:any@")).await;
    let key = |id: &u64| if *id == 50 { key!("secret") } else { item(*id) };
    for round in 0..4 {
        let rows = Rows::default();
        let load = async |ids| rows.load(ids).await;
        let read = soon(reader.get_many(0..100, key, &POLICY, load)).await.unwrap();
        assert!(read.iter().all(|(id, value)| *value == Some(id * 10)));
        let loaded = if round == 0 { (0..100).collect() } else { vec![50] };
        assert_eq!(rows.calls(), [loaded]);
    }
}

#[tokio::test]
async fn a_dirty_key_is_read_past_the_cache_and_the_others_are_kept() {
    let server = RedisServer::start();
    // Whose user may touch items only, so that an invalidation of anything else stays pending.
    let items = format!("~ck:{NAMESPACE}:item:*");
    Entries::of(&server).raw(&["ACL", "SETUSER", "app", "on", "nopass", &items, "+@all"]);
    let builder = builder(&server.url().replace("//", "//app:any@")).await;
    let reader = builder.invalidate_wait(Duration::from_millis(1)).build().unwrap();
    let key = |id: &u64| if *id == 2 { key!("secret") } else { item(*id) };
    assert_eq!(reader.invalidate(key(&2)).await, Outcome::Pending);
    let rows = Rows::default();
    for loaded in [[1, 2, 3].as_slice(), &[2]] {
        let load = async |ids| rows.load(ids).await;
        let read = soon(reader.get_many([1, 2, 3], key, &POLICY, load)).await.unwrap();
        assert_eq!(read, [(1, Some(10)), (2, Some(20)), (3, Some(30))]);
        assert_eq!(rows.calls().pop().unwrap(), loaded);
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_encoded_harms_no_other() {
    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Odd(#[serde(serialize_with = "no_sevens")] u64);

    fn no_sevens<S: serde::Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            7 => Err(serde::ser::Error::custom("a seven")),
            value => serializer.serialize_u64(*value),
        }
    }

    let server = RedisServer::start();
    let reader = cache(&server.url()).await;
    let load = async |ids: Vec<u64>| Ok::<_, ()>(ids.into_iter().map(|id| (id, Odd(id))));
    let read = soon(reader.get_many([6, 7, 8], |id| item(*id), &POLICY, load)).await.unwrap();
    assert_eq!(read, [(6, Some(Odd(6))), (7, Some(Odd(7))), (8, Some(Odd(8)))]);
    let mut entries = Entries::of(&server);
    assert!(entries.is_filled("item:6") && entries.is_filled("item:8"));
    soon(until("its lease is given up", || entries.get("item:7").is_none())).await;
}

#[tokio::test]
async fn a_failed_load_fails_the_batch_and_frees_its_keys() {
    let (_server, caches) = caches().await;
    for cache in caches {
        get(&cache, &[1], &Rows::default()).await;
        let fail = async |ids: Vec<u64>| {
            assert_eq!(ids, [2, 3]);
            Err::<Vec<(u64, u64)>, _>("no database")
        };
        let read = cache.get_many([1, 2, 3], |id| item(*id), &POLICY, fail);
        assert_eq!(soon(read).await, Err("no database"));
        let rows = Rows::default();
        assert_eq!(soon(get(&cache, &[1, 2, 3], &rows)).await, Rows::of(&[1, 2, 3]));
        assert_eq!(rows.calls(), [[2, 3]]);
    }
}

#[tokio::test]
async fn a_lost_reply_to_a_write_of_probes_costs_a_bypass_and_no_wait() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let reader = builder(&proxy.url()).await.build().unwrap();
    let lost = proxy.lose_replies(named("SET"));
    let rows = Rows::default();
    let read = soon(with_status(get(&reader, &[1, 2, 3], &rows))).await;
    assert_eq!(read, (Rows::of(&[1, 2, 3]), Status::Bypassed));
    assert_eq!(rows.calls(), [[1, 2, 3]]);
    drop(lost);
    until_linked(&reader, true).await;
    // The leases that it may have got are given up.
    let load = async || Ok::<_, ()>(20_u64);
    assert_eq!(soon(reader.get_or_load(item(2), &POLICY, load)).await, Ok(20));
}

/// Drops a batch after each number of polls, and sees that each of its keys is read and kept at once.
#[tokio::test]
async fn a_batch_dropped_at_any_await_holds_nobody_up() {
    let server = RedisServer::start();
    let (own, other) = (cache(&server.url()).await, cache(&server.url()).await);
    let embedded = Cache::builder().build().unwrap();
    for reader in [&own, &embedded] {
        let mut polls = 0;
        loop {
            let ids: Vec<_> = (0..4).map(|key| 10 * (polls as u64) + key).collect();
            // One of them is there, and one is being loaded by somebody else who is about to go away.
            get(reader, &ids[..1], &Rows::default()).await;
            let (begun, has_begun) = oneshot::channel();
            let (slow, key) = (reader.clone(), item(ids[3]));
            let rival = tokio::spawn(async move {
                let load = async || {
                    begun.send(()).unwrap();
                    std::future::pending::<Result<u64, ()>>().await
                };
                slow.get_or_load(key, &POLICY, load).await
            });
            has_begun.await.unwrap();
            let rows = Arc::new(Rows::default());
            let read = Polls::new(get(reader, &ids, &rows), polls);
            let mut read = Box::pin(read);
            // As far as it comes by itself.
            let alone = tokio::time::timeout(Duration::from_millis(40), read.as_mut()).await;
            rival.abort();
            let _gone = rival.await;
            let done = match alone {
                Ok(done) => done,
                Err(_) => soon(read).await,
            };
            let survivors = if polls % 2 == 0 { [reader, &other] } else { [&other, reader] };
            for (id, survivor) in ids.iter().zip(survivors.into_iter().cycle()) {
                let survivor = if std::ptr::eq(reader, &own) { survivor } else { reader };
                let load = async || Ok::<_, ()>(id * 10);
                let single = with_status(survivor.get_or_load(item(*id), &POLICY, load));
                let (value, status) = soon(single).await;
                assert_eq!(value, Ok(id * 10));
                assert_ne!(status, Status::Bypassed, "{id} after {polls} polls");
            }
            if let Some(found) = done {
                assert_eq!(found, Rows::of(&ids));
                break;
            }
            polls += 1;
        }
        let least = if std::ptr::eq(reader, &own) { 5 } else { 2 };
        assert!(polls >= least, "there were {polls} polls");
    }
}

#[cached(key = "gated:<id>", ttl = "1h", cache = cache)]
async fn gated(cache: &Cache, gate: &Semaphore, id: u64) -> Result<u64, String> {
    let _pass = gate.acquire().await.unwrap();
    Err(format!("there is no {id}"))
}

/// Both loads fail while the batch waits for them, and with an error that it cannot pass on.
#[tokio::test]
async fn loads_of_others_that_fail_together_are_each_made_up_for() {
    let cache = Cache::builder().build().unwrap();
    let gate = Semaphore::new(0);
    let (mut one, mut two) = (pin!(gated(&cache, &gate, 1)), pin!(gated(&cache, &gate, 2)));
    assert!(first_poll(one.as_mut()).is_pending());
    assert!(first_poll(two.as_mut()).is_pending());
    let calls = Mutex::new(Vec::new());
    let load = |missing: Vec<u64>| {
        calls.lock().unwrap().push(missing.clone());
        ready(Ok::<_, Infallible>(missing.into_iter().map(|id| (id, id * 10)).collect::<Vec<_>>()))
    };
    let mut batch = pin!(cache.get_many([1, 2], |id| gated_key(*id), &POLICY, load));
    assert!(first_poll(batch.as_mut()).is_pending());
    gate.add_permits(2);
    assert!(one.await.is_err());
    assert!(two.await.is_err());
    assert_eq!(soon(batch).await, Ok(vec![(1, Some(10)), (2, Some(20))]));
    let mut loaded = calls.lock().unwrap().concat();
    loaded.sort_unstable();
    assert_eq!(loaded, [1, 2]);
}
