//! Versions of a service with different types share keys: nobody is given a value of another shape.

use std::sync::atomic::{AtomicUsize, Ordering};

use cachekit::{Cache, Peek, Status, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{POLICY, cache, item, soon};
use serde::{Deserialize, Serialize};

mod old {
    #[derive(Clone, Debug, PartialEq, super::Serialize, super::Deserialize)]
    pub(super) struct User {
        pub(super) name: String,
    }
}

mod new {
    #[derive(Clone, Debug, PartialEq, super::Serialize, super::Deserialize)]
    pub(super) struct User {
        pub(super) name: String,
        pub(super) email: String,
    }
}

async fn load_old() -> Result<old::User, ()> {
    Ok(old::User { name: "a".to_owned() })
}

async fn load_new() -> Result<new::User, ()> {
    tokio::task::yield_now().await;
    Ok(new::User { name: "a".to_owned(), email: "a@b".to_owned() })
}

#[tokio::test]
async fn older_struct_version_is_a_miss() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    a.get_or_load(item(1), &POLICY, load_old).await.unwrap();
    assert_eq!(b.peek::<new::User>(&item(1)).await, Peek::Miss);
    let read = with_status(b.get_or_load(item(1), &POLICY, load_new));
    assert_eq!(soon(read).await, (load_new().await, Status::Loaded));
    assert!(matches!(b.peek::<new::User>(&item(1)).await, Peek::Hit(_)));
}

/// Both types have one name, as two releases of one struct have: only the fields tell.
#[tokio::test]
async fn older_fields_under_the_same_name_are_a_miss() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let old = {
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        struct User {
            name: String,
        }
        let load = async || Ok::<_, ()>(User { name: "a".to_owned() });
        a.get_or_load(item(1), &POLICY, load).await.unwrap();
        std::any::type_name::<User>()
    };
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct User {
        name: String,
        email: String,
    }
    assert_eq!(old, std::any::type_name::<User>());
    let user = User { name: "a".to_owned(), email: "a@b".to_owned() };
    let load = async || Ok::<_, ()>(user.clone());
    let read = with_status(b.get_or_load(item(1), &POLICY, load));
    assert_eq!(soon(read).await, (Ok(user.clone()), Status::Loaded));
    assert_eq!(b.peek(&item(1)).await, Peek::Hit(user));
}

/// They decode as one another, and still mean different things.
#[tokio::test]
async fn another_type_of_the_same_shape_is_a_miss() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    a.get_or_load(item(1), &POLICY, async || Ok::<_, ()>(1_u64)).await.unwrap();
    assert_eq!(b.peek::<i64>(&item(1)).await, Peek::Miss);
    let read = with_status(b.get_or_load(item(1), &POLICY, async || Ok::<_, ()>(2_i64)));
    assert_eq!(soon(read).await, (Ok(2), Status::Loaded));
}

#[tokio::test]
async fn rolling_schema_change_loads_once_per_fleet() {
    let server = RedisServer::start();
    cache(&server.url()).await.get_or_load(item(1), &POLICY, load_old).await.unwrap();
    let loads = AtomicUsize::new(0);
    let mut fleet = Vec::new();
    for _ in 0..8 {
        fleet.push(cache(&server.url()).await);
    }
    let read = async |cache: &Cache| {
        let load = async || {
            loads.fetch_add(1, Ordering::SeqCst);
            load_new().await
        };
        soon(cache.get_or_load(item(1), &POLICY, load)).await
    };
    let reads = async {
        tokio::join!(
            read(&fleet[0]),
            read(&fleet[1]),
            read(&fleet[2]),
            read(&fleet[3]),
            read(&fleet[4]),
            read(&fleet[5]),
            read(&fleet[6]),
            read(&fleet[7]),
        )
    };
    let all = reads.await;
    assert_eq!((all.0, all.7), (load_new().await, load_new().await));
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

/// While both releases run, the key changes hands at most once in ten seconds for each process.
#[tokio::test]
async fn two_releases_do_not_take_the_key_from_each_other_for_ever() {
    let server = RedisServer::start();
    let (old, new) = (cache(&server.url()).await, cache(&server.url()).await);
    let mut changes = 0;
    for _ in 0..10 {
        let read = soon(with_status(old.get_or_load(item(1), &POLICY, load_old))).await;
        assert_eq!(read.0, load_old().await);
        changes += usize::from(read.1 == Status::Loaded);
        let read = soon(with_status(new.get_or_load(item(1), &POLICY, load_new))).await;
        assert_eq!(read.0, load_new().await);
        changes += usize::from(read.1 == Status::Loaded);
    }
    assert_eq!(changes, 3, "a load, and one replacement by each release");
}
