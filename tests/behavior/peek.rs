//! `peek` only looks.

use cachekit::{Peek, Status, with_status};
use cachekit_test_support::{Proxy, RedisServer, named};
use cachekit_tests::{Entries, POLICY, cache, item};

#[tokio::test]
async fn peek_takes_no_lease() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = cache(&proxy.url()).await;
    assert_eq!(cache.peek::<u64>(&item(1)).await, Peek::Miss);
    assert_eq!(Entries::of(&server).pttl("item:1"), -2);
    assert_eq!((proxy.count(named("GET")), proxy.count(named("SET"))), (1, 0));
}

#[tokio::test]
async fn peek_sees_values_absences_and_nothing_else() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let load = async || {
        assert_eq!(cache.peek::<u64>(&item(1)).await, Peek::Miss, "a lease is no value");
        Ok::<_, ()>(1_u64)
    };
    let read = with_status(cache.get_or_load(item(1), &POLICY, load));
    assert_eq!(read.await, (Ok(1), Status::Loaded));
    assert_eq!(cache.peek::<u64>(&item(1)).await, Peek::Hit(1));
    assert_eq!(cache.peek::<String>(&item(1)).await, Peek::Miss, "it is of another type");
    let absent = async || Ok::<Option<u64>, ()>(None);
    assert_eq!(cache.get_or_load_optional(item(2), &POLICY, absent).await, Ok(None));
    assert_eq!(cache.peek::<u64>(&item(2)).await, Peek::Absent);
    Entries::of(&server).call("RPUSH", "item:3", &[b"a"]);
    assert_eq!(cache.peek::<u64>(&item(3)).await, Peek::Miss);
    drop(server);
    assert_eq!(cache.peek::<u64>(&item(1)).await, Peek::Miss, "the server is gone");
}
