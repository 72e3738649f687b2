//! The end of a store: nothing lost that was promised, no task and no connection left behind.

use cachekit_test_support::{Connection, RedisServer, Reply};
use tokio::runtime::Handle;

use super::{connect, eventually, lease};
use crate::entry::Id;
use crate::redis::{RedisOptions, RedisStore, StoreError};

/// The connections besides `redis` itself.
fn connections(redis: &mut Connection) -> usize {
    let Reply::Bulk(Some(list)) = redis.call(&["CLIENT", "LIST"]) else { panic!("a list") };
    String::from_utf8(list).unwrap().lines().count() - 1
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn shutdown_sends_what_was_given_up_and_ends_every_task() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    let before = tasks();
    let store = connect(&server).await;
    assert_eq!(connections(&mut redis), 1);
    for n in 0..1000 {
        let key = format!("k{n}");
        let id = lease(&store, &key).await;
        store.give_up(&key, id);
    }
    let hold = store.hold("k", store.fresh_id().unwrap());
    store.shutdown().await;
    assert_eq!(tasks(), before);
    assert!(!store.is_up());
    assert_eq!(store.get("k").await, Err(StoreError::Down));
    assert_eq!(redis.call(&["DBSIZE"]), Reply::Int(0), "every lease was given up");
    eventually(async || connections(&mut redis) == 0).await;
    store.give_up("late", Id([7; 16]));
    store.shutdown().await;
    drop(hold);
}

#[tokio::test]
async fn dropping_the_last_handle_ends_every_task() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    let before = tasks();
    let store = connect(&server).await;
    let clone = store.clone();
    let hold = store.hold("k", store.fresh_id().unwrap());
    drop(store);
    lease(&clone, "k").await;
    drop(clone);
    eventually(async || tasks() == before).await;
    eventually(async || connections(&mut redis) == 0).await;
    drop(hold);
}

#[tokio::test]
async fn a_store_whose_server_is_away_ends_as_quickly() {
    let before = tasks();
    let mut server = RedisServer::start();
    let url = server.url();
    server.kill();
    let store = RedisStore::connect(&url, "test", RedisOptions::new()).await.unwrap();
    let second = RedisStore::connect(&url, "test", RedisOptions::new()).await.unwrap();
    store.shutdown().await;
    drop(second);
    eventually(async || tasks() == before).await;
}

#[test]
fn a_store_that_outlives_its_runtime_is_down() {
    let server = RedisServer::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(connect(&server));
    drop(runtime);
    assert!(!store.is_up());
    store.give_up("k", Id([7; 16]));
}
