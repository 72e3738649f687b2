//! The store's commands: probe and adoption, fills, invalidations, refusals, the sweep.

use cachekit_test_support::{RedisServer, Reply};

use super::{connect, entry, lease};
use crate::redis::{Probe, RedisOptions, RedisStore, StoreError, reply::Refusal};

#[tokio::test]
async fn a_probe_leases_an_absent_key_and_shows_what_a_present_one_holds() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let first = lease(&store, "k").await;
    let second = store.fresh_id().unwrap();
    let Ok(Probe::Lease(seen)) = store.probe("k", second).await else { panic!("a lease") };
    assert_eq!(seen, first, "the lease of a lost reply is known by its id, and adopted");
    let value = entry(b'V', store.fresh_id().unwrap().0, 0, 0, b"payload");
    assert_eq!(store.cas_fill("k", first, true, &value, 60_000).await, Ok(true));
    let Ok(Probe::Entry(bytes)) = store.probe("k", store.fresh_id().unwrap()).await else {
        panic!("an entry")
    };
    assert_eq!(bytes, value);
    assert_eq!(store.get("k").await, Ok(Some(value)));
    assert_eq!(server.connection().call(&["EXISTS", "ck:test:k"]), Reply::Int(1));
}

#[tokio::test]
async fn a_lease_always_has_an_expiry() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let mut redis = server.connection();
    let mut expires = |key: &str| {
        let Reply::Int(ttl) = redis.call(&["PTTL", &format!("ck:test:{key}")]) else {
            panic!("a PTTL")
        };
        assert!((1..=3000).contains(&ttl), "{key}: {ttl}");
    };
    let id = lease(&store, "k").await;
    expires("k");
    assert!(store.probe("k", store.fresh_id().unwrap()).await.is_ok());
    expires("k");
    assert_eq!(store.cas_lease("k", id, store.fresh_id().unwrap()).await, Ok(true));
    expires("k");
}

#[tokio::test]
async fn tombstones_inhibits_and_foreign_values_are_told_apart() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let mut redis = server.connection();
    let mut set = |bytes: &[u8]| redis.call(&[b"SET", b"ck:test:k".as_slice(), bytes]);
    let seen = store.fresh_id().unwrap();
    let probe = async || store.probe("k", store.fresh_id().unwrap()).await.unwrap();

    set(&entry(b'T', seen.0, 5, 0, b""));
    assert!(matches!(probe().await, Probe::Tombstone(id) if id == seen));
    let fresh = store.fresh_id().unwrap();
    assert_eq!(store.cas_lease("k", seen, fresh).await, Ok(true));
    assert!(matches!(probe().await, Probe::Lease(id) if id == fresh));

    set(&entry(b'I', seen.0, 0, 0, b""));
    assert!(matches!(probe().await, Probe::Inhibited));
    assert_eq!(store.unlink_foreign("k").await, Ok(false));

    let damaged = [entry(b'L', seen.0, 0, 0, b""), b"?".to_vec()].concat();
    set(&damaged);
    assert!(matches!(probe().await, Probe::Corrupt(Some(id)) if id == seen));

    set(b"not ours");
    assert!(matches!(probe().await, Probe::Foreign));
    assert_eq!(store.unlink_foreign("k").await, Ok(true));
    assert!(matches!(probe().await, Probe::Granted));
}

#[tokio::test]
async fn another_type_under_the_key_is_foreign_and_never_an_error() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    server.connection().call(&["RPUSH", "ck:test:k", "a", "list"]);
    let id = store.fresh_id().unwrap();
    assert!(matches!(store.probe("k", id).await, Ok(Probe::Foreign)));
    assert_eq!(store.get("k").await, Ok(None));
    let value = entry(b'V', store.fresh_id().unwrap().0, 0, 0, b"v");
    assert_eq!(store.cas_fill("k", id, true, &value, 1000).await, Ok(false));
    assert_eq!(store.cas_lease("k", id, store.fresh_id().unwrap()).await, Ok(false));
    assert_eq!(store.unlink_foreign("k").await, Ok(true));
    lease(&store, "k").await;
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_sent_them_again() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let mut redis = server.connection();
    for round in 0..3 {
        let key = format!("k{round}");
        let id = lease(&store, &key).await;
        assert_eq!(redis.call(&["SCRIPT", "FLUSH"]), Reply::Simple("OK".to_owned()));
        let value = entry(b'V', store.fresh_id().unwrap().0, 0, 0, b"v");
        assert_eq!(store.cas_fill(&key, id, true, &value, 60_000).await, Ok(true));
        let next = store.fresh_id().unwrap();
        let again = entry(b'V', next.0, 0, 0, b"w");
        assert_eq!(store.cas_fill(&key, id, true, &again, 60_000).await, Ok(false), "by hash");
    }
}

#[tokio::test]
async fn unlink_acknowledges_every_key() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let keys = (0..1500).map(|n| format!("k{n}")).collect::<Vec<_>>();
    for key in &keys[..20] {
        lease(&store, key).await;
    }
    let all = keys.iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(store.unlink(&all).await, vec![Ok(()); 1500]);
    assert_eq!(store.unlink(&[]).await, []);
    assert_eq!(server.connection().call(&["DBSIZE"]), Reply::Int(0));
}

#[tokio::test]
async fn at_its_memory_limit_redis_still_invalidates() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let id = lease(&store, "held").await;
    server.config_set("maxmemory", "1");
    let fresh = store.fresh_id().unwrap();
    assert_eq!(store.probe("k", fresh).await.unwrap_err(), StoreError::OutOfMemory);
    let value = entry(b'V', fresh.0, 0, 0, b"v");
    let fill = store.cas_fill("held", id, true, &value, 1000).await;
    assert_eq!(fill, Err(StoreError::OutOfMemory));
    assert!(store.get("held").await.unwrap().is_some());
    assert!(store.read("held").await.unwrap().is_some());
    assert_eq!(store.unlink(&["held"]).await, [Ok(())]);
    assert_eq!(store.get("held").await, Ok(None));
    assert!(store.is_up());
}

#[tokio::test]
async fn a_server_that_refuses_invalidations_refuses_probes_as_well() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let id = lease(&store, "k").await;
    let value = entry(b'V', store.fresh_id().unwrap().0, 0, 0, b"v");
    assert_eq!(store.cas_fill("k", id, true, &value, 60_000).await, Ok(true));
    server.config_set("min-replicas-to-write", "1");
    let refused = StoreError::Refused(Refusal::NoReplicas);
    assert_eq!(store.unlink(&["k"]).await, [Err(refused)]);
    assert_eq!(store.probe("k", store.fresh_id().unwrap()).await.unwrap_err(), refused);
    assert_eq!(store.read("k").await, Err(refused), "a plain GET would have been served");
    assert!(store.is_up());
}

#[tokio::test]
async fn a_sweep_removes_the_namespace_and_nothing_else() {
    let server = RedisServer::start();
    let options = RedisOptions::new();
    let store = RedisStore::connect(&server.url(), "te[s]*", options.clone()).await.unwrap();
    let other = RedisStore::connect(&server.url(), "tes2", options).await.unwrap();
    for n in 0..2500 {
        lease(&store, &format!("k{n}")).await;
    }
    lease(&other, "k").await;
    assert_eq!(store.sweep().await, Ok(2500));
    assert_eq!(store.sweep().await, Ok(0));
    assert_eq!(server.connection().call(&["KEYS", "*"]), {
        Reply::Array(vec![Reply::Bulk(Some(b"ck:tes2:k".to_vec()))])
    });
}

#[tokio::test]
async fn reads_that_go_together_are_answered_each_for_itself() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let mut redis = server.connection();
    for n in 0..100 {
        redis.call(&["SET", &format!("ck:test:k{n}"), &n.to_string()]);
    }
    redis.call(&["DEL", "ck:test:k50"]);
    redis.call(&["LPUSH", "ck:test:list", "x"]);
    let read = |key: String| {
        let store = store.clone();
        tokio::spawn(async move { store.read(&key).await })
    };
    let reads: Vec<_> = (0..100).map(|n| read(format!("k{n}"))).collect();
    let other_type = read("list".to_owned());
    // Some have been sent, some have not: whoever leaves disturbs nobody.
    tokio::task::yield_now().await;
    reads.iter().step_by(7).for_each(tokio::task::JoinHandle::abort);
    for (n, found) in reads.into_iter().enumerate() {
        let expected = (n != 50).then(|| n.to_string().into_bytes());
        match found.await {
            Ok(found) => assert_eq!(found, Ok(expected), "k{n}"),
            Err(aborted) => assert!(n % 7 == 0 && aborted.is_cancelled()),
        }
    }
    assert_eq!(other_type.await.unwrap(), Ok(None));
}
