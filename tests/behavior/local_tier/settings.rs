//! What a local tier needs, and what is said where it is missing.

use std::time::Duration;

use cachekit::{Cache, Error, ErrorKind, LocalState, LocalTier};
use cachekit_test_support::{RedisServer, Reply};
use cachekit_tests::{NAMESPACE, with_local};

async fn refused(url: &str, local: LocalTier) -> Error {
    let builder = Cache::builder().namespace(NAMESPACE).local(local);
    let error = builder.redis(url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    error
}

#[test]
fn without_redis_there_is_nothing_to_copy() {
    let error = Cache::builder().local(LocalTier::new()).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("call `redis(..)`"), "{error}");
}

#[tokio::test]
async fn it_is_said_before_redis() {
    let server = RedisServer::start();
    let builder = Cache::builder().namespace(NAMESPACE).redis(&server.url()).await.unwrap();
    let error = builder.local(LocalTier::new()).build().unwrap_err();
    assert!(error.to_string().contains("`local` has no effect after `redis(..)`"), "{error}");
}

#[tokio::test]
async fn a_bound_below_the_heartbeat_is_refused() {
    let server = RedisServer::start();
    let local = LocalTier::new().staleness(Duration::from_millis(100));
    let error = refused(&server.url(), local.heartbeat(Duration::from_millis(101))).await;
    assert!(error.to_string().contains("less than two heartbeats"), "{error}");
}

#[tokio::test]
async fn a_server_without_tracking_is_refused_unless_the_ttl_is_to_do() {
    let server = RedisServer::start_with(&["--rename-command", "CLIENT", ""], &[]);
    let error = refused(&server.url(), LocalTier::new()).await;
    let text = error.to_string();
    assert!(text.contains("CLIENT TRACKING") && text.contains("by_ttl_only"), "{text}");
    let near = with_local(&server.url(), LocalTier::by_ttl_only(Duration::from_secs(1))).await;
    assert_eq!(near.local_state(), LocalState::ByTtlOnly);
}

#[tokio::test]
async fn a_user_that_may_not_track_is_told_what_to_allow() {
    let server = RedisServer::start();
    let mut admin = server.connection();
    for (user, keys, commands) in [("a", "~ck*", "-client|tracking"), ("b", "~ck:*", "+@all")] {
        let rules = ["ACL", "SETUSER", user, "on", ">pw", "+@all", keys, commands];
        assert_eq!(admin.call(&rules), Reply::Simple("OK".to_owned()));
        let url = server.url().replace("redis://", &format!("redis://{user}:pw@"));
        let error = refused(&url, LocalTier::new()).await;
        assert!(error.to_string().contains("~ck~hb:*"), "{user}: {error}");
        assert!(!error.to_string().contains("pw@"), "{error}");
    }
    let rules = ["ACL", "SETUSER", "c", "on", ">pw", "+@all", "~ck:*", "~ck~hb:*"];
    admin.call(&rules);
    with_local(&server.url().replace("redis://", "redis://c:pw@"), LocalTier::new()).await;
}

#[tokio::test]
async fn a_server_that_is_away_at_the_start_is_no_error() {
    let builder = Cache::builder().namespace(NAMESPACE).local(LocalTier::new());
    let near = builder.redis("redis://127.0.0.1:1").await.unwrap().build().unwrap();
    assert_eq!(near.local_state(), LocalState::Suspect);
}
