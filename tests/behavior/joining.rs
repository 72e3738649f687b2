//! Nobody is given what was loaded before a write that had returned when he came.

use std::pin::pin;
use std::sync::Arc;

use cachekit::{Cache, Outcome, Peek};
use cachekit_test_support::{Command, Proxy, RedisServer};
use cachekit_tests::{POLICY, cache, first_poll, item, patient_builder, soon, until, until_linked};
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

/// While a reader's command `picked` is answered and the answer is on its way, another process writes. A
/// reader that comes after that write must not share the answer.
async fn answer_under_way(is_cached: bool, picked: fn(&Command) -> bool) {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let a = patient_builder(&proxy.url()).await.build().unwrap();
    let b = cache(&server.url()).await;
    let load_old = async || Ok::<_, ()>("old".to_owned());
    // So that Redis knows the script of fills.
    a.get_or_load(item(2), &POLICY, load_old).await.unwrap();
    if is_cached {
        b.get_or_load(item(1), &POLICY, load_old).await.unwrap();
    }
    let answers = proxy.hold_replies(picked);
    let mut early = pin!(a.get_or_load(item(1), &POLICY, load_old));
    tokio::select! {
        _ = &mut early => panic!("its answer is held"),
        () = until("Redis has answered", || answers.waiting() == 1) => {}
    }
    assert_eq!(b.invalidate(item(1)).await, Outcome::Applied);
    let mut late = pin!(a.get_or_load(item(1), &POLICY, load_new));
    assert!(first_poll(late.as_mut()).is_pending());
    drop(answers);
    let (early, late) = soon(async { tokio::join!(early, late) }).await;
    assert_eq!((early.as_deref(), late.as_deref()), (Ok("old"), Ok("new")));
}

#[tokio::test]
async fn reader_after_a_write_does_not_share_a_hit_that_is_on_its_way() {
    answer_under_way(true, |command| command.is("SET")).await;
}

#[tokio::test]
async fn reader_after_a_write_does_not_share_a_fill_that_is_on_its_way() {
    answer_under_way(false, |command| command.script_args() == Some(4)).await;
}

#[tokio::test]
async fn reader_after_a_write_does_not_share_a_load_past_the_cache() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (a, b) = (cache(&proxy.url()).await, cache(&server.url()).await);
    proxy.refuse(true);
    proxy.cut();
    until_linked(&a, false).await;
    let (begun, has_begun) = oneshot::channel();
    let go = Arc::new(Notify::new());
    let old = tokio::spawn(stuck_load(a.clone(), begun, go.clone()));
    has_begun.await.unwrap();
    assert_eq!(b.invalidate(item(1)).await, Outcome::Applied);
    let mut late = pin!(a.get_or_load(item(1), &POLICY, load_new));
    assert!(first_poll(late.as_mut()).is_pending());
    go.notify_one();
    assert_eq!(soon(late).await.as_deref(), Ok("new"));
    assert_eq!(soon(old).await.unwrap(), "old");
}

#[tokio::test]
async fn reader_after_a_write_does_not_share_a_load_whose_fill_is_unknown() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (a, b) = (cache(&proxy.url()).await, cache(&server.url()).await);
    let (begun, has_begun) = oneshot::channel();
    let go = Arc::new(Notify::new());
    let old = tokio::spawn(stuck_load(a.clone(), begun, go.clone()));
    has_begun.await.unwrap();
    assert_eq!(b.invalidate(item(1)).await, Outcome::Applied);
    let mut late = pin!(a.get_or_load(item(1), &POLICY, load_new));
    assert!(first_poll(late.as_mut()).is_pending());
    let _lost = proxy.lose_replies(|command| command.script_args() == Some(4));
    go.notify_one();
    assert_eq!(soon(late).await.as_deref(), Ok("new"));
    assert_eq!(soon(old).await.unwrap(), "old");
}
