//! Leases on a real Redis.

use std::time::Duration;

use cachekit::{Cache, Outcome, Peek, Policy, Status, Ttl, key, with_status};
use cachekit_test_support::RedisServer;

const POLICY: Policy = Policy::from_parts(Ttl::from_millis(60_000, 0), None);

async fn cache(server: &RedisServer) -> Cache {
    let builder = Cache::builder().namespace("t").redis(&server.url()).await.unwrap();
    builder.build().unwrap()
}

#[tokio::test]
async fn two_processes_share_a_value() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server).await, cache(&server).await);
    let id = 7;
    let load = async || Ok::<_, ()>("seven".to_owned());
    let read = a.get_or_load(key!("item:<id>"), &POLICY, load);
    assert_eq!(with_status(read).await, (Ok("seven".to_owned()), Status::Loaded));
    let never = async || -> Result<String, ()> { panic!("it is cached") };
    let read = b.get_or_load(key!("item:<id>"), &POLICY, never);
    assert_eq!(with_status(read).await, (Ok("seven".to_owned()), Status::Hit));
    assert_eq!(b.invalidate(key!("item:<id>")).await, Outcome::Applied);
    assert_eq!(a.peek::<String>(&key!("item:<id>")).await, Peek::Miss);
}

#[tokio::test]
async fn late_fill_after_invalidate_is_refused() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server).await, cache(&server).await);
    let id = 7;
    let load = async || {
        assert_eq!(b.invalidate(key!("item:<id>")).await, Outcome::Applied);
        Ok::<_, ()>(1_u64)
    };
    let read = a.get_or_load(key!("item:<id>"), &POLICY, load);
    assert_eq!(tokio::time::timeout(Duration::from_secs(2), read).await.unwrap(), Ok(1));
    assert_eq!(a.peek::<u64>(&key!("item:<id>")).await, Peek::Miss);
}
