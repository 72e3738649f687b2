//! Held leases: extended past their time to live, let go, given up.

use std::time::{Duration, Instant};

use cachekit_test_support::{RedisServer, Reply};

use super::{connect_with, entry, eventually, lease};
use crate::redis::RedisOptions;

fn short() -> RedisOptions {
    RedisOptions::new().lease_ttl(Duration::from_millis(300)).load_timeout(Duration::from_secs(30))
}

fn ttl(server: &RedisServer) -> i64 {
    match server.connection().call(&["PTTL", "ck:test:k"]) {
        Reply::Int(ttl) => ttl,
        reply => panic!("{reply:?}"),
    }
}

#[tokio::test]
async fn a_held_lease_outlives_its_ttl_and_runs_out_when_it_is_let_go() {
    let server = RedisServer::start();
    let store = connect_with(&server, short()).await;
    let id = lease(&store, "k").await;
    let hold = store.hold("k", id);
    let begun = Instant::now();
    eventually(async || {
        assert!((1..=300).contains(&ttl(&server)), "held, and never without an expiry");
        begun.elapsed() > Duration::from_millis(1200)
    })
    .await;
    drop(hold);
    assert_eq!(store.held_leases(), 0);
    eventually(async || ttl(&server) == -2).await;
}

#[tokio::test]
async fn a_lease_is_held_no_longer_than_a_load_may_take() {
    let server = RedisServer::start();
    let store = connect_with(&server, short().load_timeout(Duration::from_millis(500))).await;
    let id = lease(&store, "k").await;
    let _hold = store.hold("k", id);
    eventually(async || ttl(&server) == -2).await;
    eventually(async || store.held_leases() == 0).await;
}

#[tokio::test]
async fn a_lease_that_was_invalidated_is_no_longer_extended() {
    let server = RedisServer::start();
    let store = connect_with(&server, short()).await;
    let id = lease(&store, "k").await;
    let _hold = store.hold("k", id);
    assert_eq!(store.unlink(&["k"]).await, [Ok(())]);
    eventually(async || store.held_leases() == 0).await;
    assert_eq!(ttl(&server), -2);
}

#[tokio::test]
async fn many_leases_are_extended_together_even_after_the_scripts_were_lost() {
    let server = RedisServer::start();
    let store = connect_with(&server, short()).await;
    let mut holds = Vec::new();
    for n in 0..600 {
        let key = format!("k{n}");
        let id = lease(&store, &key).await;
        holds.push(store.hold(&key, id));
    }
    server.connection().call(&["SCRIPT", "FLUSH"]);
    let begun = Instant::now();
    eventually(async || {
        assert_eq!(server.connection().call(&["DBSIZE"]), Reply::Int(600));
        begun.elapsed() > Duration::from_millis(900)
    })
    .await;
    drop(holds);
    eventually(async || server.connection().call(&["DBSIZE"]) == Reply::Int(0)).await;
}

#[tokio::test]
async fn a_lease_is_given_up_from_any_thread_without_waiting() {
    let server = RedisServer::start();
    let store = connect_with(&server, RedisOptions::new()).await;
    let id = lease(&store, "k").await;
    let other = store.clone();
    std::thread::spawn(move || other.give_up("k", id)).join().unwrap();
    eventually(async || ttl(&server) == -2).await;
    assert_eq!(store.dropped_give_ups(), 0);
}

#[tokio::test]
async fn giving_up_a_lease_that_was_filled_does_not_remove_the_value() {
    let server = RedisServer::start();
    let store = connect_with(&server, RedisOptions::new()).await;
    let id = lease(&store, "k").await;
    let value = entry(b'V', store.fresh_id().unwrap().0, 0, 0, b"v");
    assert_eq!(store.cas_fill("k", id, true, &value, 60_000).await, Ok(true));
    store.give_up("k", id);
    store.shutdown().await;
    assert!(ttl(&server) > 0);
}

#[tokio::test]
async fn more_give_ups_than_the_queue_holds_are_dropped_and_counted() {
    let server = RedisServer::start();
    let options = RedisOptions::new().response_timeout(Duration::from_secs(10));
    let store = connect_with(&server, options).await;
    let id = store.fresh_id().unwrap();
    server.stop_with_sigstop();
    // Nothing is awaited here, so nothing is sent meanwhile.
    for _ in 0..5000 {
        store.give_up("k", id);
    }
    assert_eq!(store.dropped_give_ups(), 5000 - 4096);
    server.cont();
    store.shutdown().await;
}
