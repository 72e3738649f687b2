//! Absence is cached for its own time, and an insert ends it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cachekit::{Cache, Peek, Status, cached, invalidates, with_receipt, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{Entries, POLICY, cache, item};

/// Whether user 7 exists.
type Database = AtomicBool;

#[cached(key = "user:<id>", ttl = "1m", cache = cache)]
async fn find_user(database: &Database, cache: &Cache, id: u64) -> Result<Option<String>, ()> {
    Ok(database.load(Ordering::SeqCst).then(|| format!("user {id}")))
}

#[invalidates("user:<id>", cache = cache)]
async fn insert_user(database: &Database, cache: &Cache, id: u64) -> Result<(), ()> {
    database.store(true, Ordering::SeqCst);
    Ok(())
}

#[tokio::test]
async fn insert_clears_negative_entry() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let database = Database::new(false);
    assert_eq!(with_status(find_user(&database, &a, 7)).await, (Ok(None), Status::Loaded));
    assert_eq!(with_status(find_user(&database, &b, 7)).await, (Ok(None), Status::Hit));
    let (inserted, receipt) = with_receipt(insert_user(&database, &b, 7)).await;
    assert_eq!((inserted, receipt.entries().len()), (Ok(()), 1));
    let found = Some("user 7".to_owned());
    assert_eq!(with_status(find_user(&database, &a, 7)).await, (Ok(found.clone()), Status::Loaded));
    assert_eq!(with_status(find_user(&database, &b, 7)).await, (Ok(found), Status::Hit));
}

#[tokio::test]
async fn absence_has_an_expiry_of_its_own() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let mut entries = Entries::of(&server);
    let absent = async || Ok::<Option<u64>, ()>(None);
    let policies =
        [(POLICY, 25_000..=30_000), (POLICY.negative_ttl(Duration::from_secs(5)), 1..=5_000)];
    for (id, (policy, left)) in (1..).zip(policies) {
        assert_eq!(a.get_or_load_optional(item(id), &policy, absent).await, Ok(None));
        let key = format!("item:{id}");
        assert_eq!(entries.get(&key).unwrap()[2], b'N');
        assert!(left.contains(&entries.pttl(&key)), "{} ms", entries.pttl(&key));
        assert_eq!(b.peek::<u64>(&item(id)).await, Peek::Absent);
        let cached = cachekit_tests::cached::<Option<u64>>;
        assert_eq!(b.get_or_load_optional(item(id), &policy, cached).await, Ok(None));
    }
}

#[tokio::test]
async fn absence_that_is_not_kept_leaves_nothing_behind() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let policy = POLICY.never_absent();
    for cache in [&a, &b, &a] {
        let absent = async || Ok::<Option<u64>, ()>(None);
        let read = with_status(cache.get_or_load_optional(item(1), &policy, absent));
        assert_eq!(cachekit_tests::soon(read).await, (Ok(None), Status::Loaded));
    }
    let there = async || Ok::<_, ()>(Some(1_u64));
    let read = cachekit_tests::soon(b.get_or_load_optional(item(1), &policy, there));
    assert_eq!(read.await, Ok(Some(1)));
}
