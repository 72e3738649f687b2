//! The link logs in with the URL's user, who needs no more than the documented rights.

use cachekit::{Cache, ErrorKind, Outcome, Peek, Status, refresh, with_status};
use cachekit_test_support::{RedisServer, Reply};
use cachekit_tests::{Entries, NAMESPACE, POLICY, item, soon, until, until_async};

const RIGHTS: &str = "+@connection +info +set +get +getex +mget +pttl +getrange +unlink +pexpire +scan +eval +evalsha";

/// A server with one user `app` who has the rights of the manual and no others.
fn guarded() -> RedisServer {
    let server = RedisServer::start();
    let mut acl = vec!["ACL", "SETUSER", "app", "on", ">s3cret:/@ä", "~ck:*"];
    acl.extend(RIGHTS.split(' '));
    assert_eq!(Entries::of(&server).raw(&acl), Reply::Simple("OK".to_owned()));
    server
}

fn url(server: &RedisServer, password: &str) -> String {
    format!("redis://app:{password}@127.0.0.1:{}", server.port())
}

async fn log_in(server: &RedisServer, password: &str) -> Result<Cache, cachekit::Error> {
    let builder = Cache::builder().namespace(NAMESPACE).queue_limit(1);
    builder.redis(&url(server, password)).await?.build()
}

#[tokio::test]
async fn documented_rights_are_enough() {
    let server = guarded();
    let cache = log_in(&server, "s3cret%3A%2F%40%C3%A4").await.unwrap();
    let mut entries = Entries::of(&server);
    let load = async || Ok::<_, ()>(1_u64);
    let read = || with_status(cache.get_or_load(item(1), &POLICY, load));
    assert_eq!(read().await, (Ok(1), Status::Loaded));
    assert_eq!(read().await, (Ok(1), Status::Hit));
    assert_eq!(refresh(read()).await, (Ok(1), Status::Loaded));
    assert_eq!(cache.peek::<u64>(&item(1)).await, Peek::Hit(1));
    // A replacement, a foreign type, and a lease that is given up.
    entries.call("SETRANGE", "item:1", &[b"57", b"????"]);
    assert_eq!(read().await, (Ok(1), Status::Loaded));
    entries.call("RPUSH", "item:2", &[b"a"]);
    let foreign = with_status(cache.get_or_load(item(2), &POLICY, load));
    assert_eq!(foreign.await, (Ok(1), Status::Loaded));
    assert_eq!(cache.get_or_load(item(3), &POLICY, async || Err::<u64, _>(())).await, Err(()));
    soon(until("the lease is given up", || entries.pttl("item:3") == -2)).await;
    // More keys than the queue holds, so that the namespace is swept.
    let outcomes = cache.invalidate_many([item(1), item(2)]).await;
    assert_eq!(outcomes[0].1, Outcome::Applied);
    soon(until("the namespace was swept", || entries.keys("ck:").is_empty())).await;
    until_async("it is cached again", async || read().await.1 == Status::Hit).await;
    let refused = entries.raw(&["ACL", "LOG"]);
    let Reply::Array(refused) = refused else { panic!("{refused:?}") };
    let about = |reply: &Reply| matches!(reply, Reply::Bulk(Some(text)) if text == b"config|get");
    let others = refused.iter().filter(|entry| match entry {
        Reply::Array(fields) => !fields.iter().any(about),
        _ => true,
    });
    assert_eq!(others.count(), 0, "{refused:?}");
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_show_it() {
    let server = guarded();
    let error = log_in(&server, "hunter2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}
