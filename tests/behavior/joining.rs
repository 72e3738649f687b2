//! Nobody is given what was loaded before a write that had returned when he came.

use std::pin::pin;
use std::sync::Arc;

use cachekit::{Cache, Outcome, Peek};
use cachekit_test_support::RedisServer;
use cachekit_tests::{POLICY, cache, first_poll, item, soon};
use tokio::sync::{Notify, oneshot};

/// A load that says when it has begun and ends when it may.
async fn stuck_load(cache: Cache, begun: oneshot::Sender<()>, go: Arc<Notify>) -> String {
    let load = async || {
        begun.send(()).unwrap();
        go.notified().await;
        Ok::<_, ()>("old".to_owned())
    };
    cache.get_or_load(item(1), &POLICY, load).await.unwrap()
}

async fn load_new() -> Result<String, ()> {
    Ok("new".to_owned())
}

#[tokio::test]
async fn reader_after_invalidate_never_joins_old_flight() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let (begun, has_begun) = oneshot::channel();
    let go = Arc::new(Notify::new());
    let old = tokio::spawn(stuck_load(cache.clone(), begun, go.clone()));
    has_begun.await.unwrap();
    assert_eq!(cache.invalidate(item(1)).await, Outcome::Applied);
    let new = soon(cache.get_or_load(item(1), &POLICY, load_new)).await;
    assert_eq!(new.as_deref(), Ok("new"), "answered while the old load still runs");
    go.notify_one();
    // The old load's own caller came before the write: both are right for it.
    assert!(["old", "new"].contains(&soon(old).await.unwrap().as_str()));
    assert_eq!(cache.peek::<String>(&item(1)).await, Peek::Hit("new".to_owned()));
}

#[tokio::test]
async fn reader_after_another_process_invalidates_is_not_given_the_old_load() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let (begun, has_begun) = oneshot::channel();
    let go = Arc::new(Notify::new());
    let old = tokio::spawn(stuck_load(a.clone(), begun, go.clone()));
    has_begun.await.unwrap();
    assert_eq!(b.invalidate(item(1)).await, Outcome::Applied);
    // Process `a` knows nothing of the write: its reader joins, and the refused fill tells.
    let mut reader = pin!(a.get_or_load(item(1), &POLICY, load_new));
    assert!(first_poll(reader.as_mut()).is_pending());
    go.notify_one();
    assert_eq!(soon(reader).await.as_deref(), Ok("new"));
    soon(old).await.unwrap();
    assert_eq!(b.peek::<String>(&item(1)).await, Peek::Hit("new".to_owned()));
}
