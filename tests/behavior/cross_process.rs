//! Processes share what one of them loaded, and lose it together.

use cachekit::{Outcome, Peek, Status, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{POLICY, cache, cached, item};

#[tokio::test]
async fn two_processes_share_a_value() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let read = a.get_or_load(item(7), &POLICY, async || Ok::<_, ()>("seven".to_owned()));
    assert_eq!(with_status(read).await, (Ok("seven".to_owned()), Status::Loaded));
    let read = b.get_or_load(item(7), &POLICY, cached::<String>);
    assert_eq!(with_status(read).await, (Ok("seven".to_owned()), Status::Hit));
    assert_eq!(b.invalidate(item(7)).await, Outcome::Applied);
    assert_eq!(a.peek::<String>(&item(7)).await, Peek::Miss);
}

#[tokio::test]
async fn a_key_beyond_200_bytes_is_shared_under_its_hash() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let key = |last: char| {
        let name = format!("{}{last}", "x".repeat(400));
        cachekit::key!("page:<name>")
    };
    for (last, page) in [('a', 1_u64), ('b', 2)] {
        let read = a.get_or_load(key(last), &POLICY, async || Ok::<_, ()>(page));
        assert_eq!(read.await, Ok(page));
    }
    for (last, page) in [('a', 1_u64), ('b', 2)] {
        assert_eq!(b.get_or_load(key(last), &POLICY, cached).await, Ok(page));
    }
    let mut keys = cachekit_tests::Entries::of(&server).keys("ck:t:");
    keys.sort();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|key| key.starts_with("ck:t:#") && key.len() == 38), "{keys:?}");
    assert_eq!(b.invalidate(key('a')).await, Outcome::Applied);
    assert_eq!(a.peek::<u64>(&key('a')).await, Peek::Miss);
    assert_eq!(a.peek::<u64>(&key('b')).await, Peek::Hit(2));
}

#[tokio::test]
async fn namespaces_do_not_meet() {
    let server = RedisServer::start();
    let ours = cache(&server.url()).await;
    let builder = cachekit::Cache::builder().namespace("other").redis(&server.url()).await.unwrap();
    let theirs = builder.build().unwrap();
    for (cache, value) in [(&ours, 1_u64), (&theirs, 2)] {
        let read = cache.get_or_load(item(1), &POLICY, async || Ok::<_, ()>(value));
        assert_eq!(with_status(read).await, (Ok(value), Status::Loaded));
    }
    assert_eq!(theirs.invalidate(item(1)).await, Outcome::Applied);
    assert_eq!(ours.peek::<u64>(&item(1)).await, Peek::Hit(1));
}
