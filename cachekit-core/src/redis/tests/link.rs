//! The link when a server stalls, dies, comes back, or turns into a replica.

use std::time::{Duration, Instant};

use cachekit_test_support::{RedisServer, Reply};

use super::{LONG, becomes, connect, connect_with, entry, lease};
use crate::redis::{Probe, RedisOptions, RedisStore, StoreError, reply::Refusal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_server_fails_every_caller_at_once_and_is_used_again_when_it_answers() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let before = store.fresh_id().unwrap();
    server.stop_with_sigstop();
    let begun = Instant::now();
    let callers = (0..512).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.get(&format!("k{n}")).await })
    });
    let callers = callers.collect::<Vec<_>>();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Err(StoreError::Timeout));
    }
    let elapsed = begun.elapsed();
    assert!(elapsed >= Duration::from_millis(250), "{elapsed:?}");
    // 250 ms and one tick of 50 ms; the rest is for a machine that is busy with other things.
    assert!(elapsed < Duration::from_millis(900), "{elapsed:?}");
    assert!(!store.is_up());
    assert_eq!(store.get("k").await, Err(StoreError::Down), "no caller waits while it is down");
    assert!(store.fresh_id().is_none());
    server.cont();
    becomes(&store, true).await;
    lease(&store, "k").await;
    assert_ne!(store.fresh_id().unwrap().0[..8], before.0[..8], "ids of another connection");
}

#[tokio::test]
async fn a_caller_that_gave_up_does_not_keep_the_others_waiting() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    server.stop_with_sigstop();
    let given_up = tokio::time::timeout(Duration::from_millis(20), store.get("k")).await;
    assert!(given_up.is_err());
    let begun = Instant::now();
    assert_eq!(store.get("k").await, Err(StoreError::Timeout));
    assert!(begun.elapsed() < Duration::from_millis(900));
}

#[tokio::test]
async fn a_blocked_runtime_is_not_taken_for_a_stalled_server() {
    let server = RedisServer::start();
    let limit = Duration::from_millis(600);
    let store = connect_with(&server, RedisOptions::new().response_timeout(limit)).await;
    server.stop_with_sigstop();
    let reader = store.clone();
    let read = tokio::spawn(async move { reader.get("k").await });
    // By now the supervisor waits for a sign of life.
    tokio::time::sleep(Duration::from_millis(150)).await;
    block(limit);
    // The timer fires now, and late; the answer comes a little after it.
    tokio::time::sleep(Duration::from_millis(30)).await;
    server.cont();
    assert_eq!(read.await.unwrap(), Ok(None));
    assert!(store.is_up());
}

#[expect(clippy::disallowed_methods, reason = "blocking the runtime is what is tested")]
fn block(time: Duration) {
    std::thread::sleep(time);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_reconnected_after_its_restart() {
    let mut server = RedisServer::start();
    let store = connect(&server).await;
    let id = lease(&store, "k").await;
    server.kill();
    becomes(&store, false).await;
    assert_eq!(store.probe("k", id).await.unwrap_err(), StoreError::Down);
    server.restart();
    becomes(&store, true).await;
    let fresh = store.fresh_id().unwrap();
    assert_ne!(fresh.0[..8], id.0[..8]);
    assert!(matches!(store.probe("k", fresh).await, Ok(Probe::Granted)), "it came back empty");
    let value = entry(b'V', store.fresh_id().unwrap().0, 0, 0, b"v");
    assert_eq!(store.cas_fill("k", id, true, &value, 1000).await, Ok(false), "the old lease");
}

#[tokio::test]
async fn a_server_that_is_away_at_the_start_is_no_error() {
    let mut server = RedisServer::start();
    let url = server.url();
    server.kill();
    let begun = Instant::now();
    let store = RedisStore::connect(&url, "test", RedisOptions::new()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(!store.is_up());
    assert_eq!(store.unlink(&["k"]).await, [Err(StoreError::Down)]);
    server.restart();
    becomes(&store, true).await;
    lease(&store, "k").await;
}

#[tokio::test]
async fn a_frozen_server_at_the_start_costs_one_connect_timeout() {
    let server = RedisServer::start();
    server.stop_with_sigstop();
    let begun = Instant::now();
    let options = RedisOptions::new().connect_timeout(Duration::from_millis(300));
    let store = RedisStore::connect(&server.url(), "test", options).await.unwrap();
    assert!(!store.is_up());
    assert!(begun.elapsed() < Duration::from_secs(1));
    server.cont();
    becomes(&store, true).await;
}

#[tokio::test]
async fn a_primary_that_becomes_a_replica_refuses_and_is_left_until_it_is_one_again() {
    let server = RedisServer::start();
    let store = connect(&server).await;
    let mut redis = server.connection();
    let id = lease(&store, "k").await;
    let ok = Reply::Simple("OK".to_owned());
    assert_eq!(redis.call(&["REPLICAOF", "127.0.0.1", "1"]), ok);
    let refused = StoreError::Refused(Refusal::ReadOnly);
    assert_eq!(store.unlink(&["k"]).await, [Err(refused)]);
    assert!(!refused.outcome_unknown());
    becomes(&store, false).await;
    assert_eq!(store.probe("k", id).await.unwrap_err(), StoreError::Down);
    assert_eq!(redis.call(&["REPLICAOF", "NO", "ONE"]), ok);
    becomes(&store, true).await;
    assert_eq!(store.unlink(&["k"]).await, [Ok(())]);
}

#[tokio::test]
async fn an_idle_link_stays_up() {
    let server = RedisServer::start();
    let options = RedisOptions::new().response_timeout(Duration::from_millis(20));
    let store = connect_with(&server, options).await;
    let changed = store.changed();
    let quiet = tokio::time::timeout(Duration::from_millis(400), changed).await;
    assert!(quiet.is_err(), "no change of state");
    assert!(store.is_up());
}

#[tokio::test]
async fn a_unix_socket_serves_as_well() {
    let server = RedisServer::start();
    let url = format!("unix://{}?db=3", server.socket().display());
    let store = RedisStore::connect(&url, "test", RedisOptions::new()).await.unwrap();
    lease(&store, "k").await;
    let mut redis = server.connection();
    redis.call(&["SELECT", "3"]);
    assert_eq!(redis.call(&["EXISTS", "ck:test:k"]), Reply::Int(1), "in the URL's database");
}

#[tokio::test]
async fn a_change_between_the_question_and_the_wait_is_not_missed() {
    let mut server = RedisServer::start();
    let store = connect(&server).await;
    let changed = store.changed();
    server.kill();
    becomes(&store, false).await;
    tokio::time::timeout(LONG, changed).await.expect("the change that came before the wait");
}
