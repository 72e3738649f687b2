//! A caller may go away at any await: nobody waits for what it left behind.

use cachekit::{Cache, Key, Status, refresh, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{Entries, POLICY, Polls, cache, item, soon};

async fn load() -> Result<u64, ()> {
    tokio::task::yield_now().await;
    Ok(1)
}

/// Drops a read after each number of polls, and sees that its key is loaded and kept at once, by this
/// process and by another one. Returns how many polls it takes to the end.
async fn walk<F: Future>(
    server: &RedisServer,
    prepare: impl Fn(&mut Entries, &str),
    read: impl Fn(Cache, Key) -> F,
) -> usize {
    let (own, other) = (cache(&server.url()).await, cache(&server.url()).await);
    let mut entries = Entries::of(server);
    for (id, polls) in (0..).zip(0..) {
        let filled = own.get_or_load(item(id), &POLICY, load).await;
        assert_eq!(filled, Ok(1));
        prepare(&mut entries, &format!("item:{id}"));
        let done = Polls::new(read(own.clone(), item(id)), polls).await.is_some();
        let survivors = if id % 2 == 0 { [&own, &other] } else { [&other, &own] };
        for survivor in survivors {
            let read = with_status(survivor.get_or_load(item(id), &POLICY, load));
            let (value, status) = soon(read).await;
            assert_eq!(value, Ok(1));
            assert_ne!(status, Status::Bypassed, "after {polls} polls");
        }
        assert!(entries.is_filled(&format!("item:{id}")));
        if done {
            return polls;
        }
    }
    unreachable!("every read comes to an end")
}

async fn plain(cache: Cache, key: Key) {
    cache.get_or_load(key, &POLICY, load).await.unwrap();
}

#[tokio::test]
async fn cancelled_read_holds_nobody_up() {
    let server = RedisServer::start();
    let polls = walk(&server, |entries, key| drop(entries.call("DEL", key, &[])), plain).await;
    assert!(polls >= 4, "probe, load and fill are awaits, and there were {polls} polls");
}

#[tokio::test]
async fn cancelled_read_of_a_damaged_entry_holds_nobody_up() {
    let server = RedisServer::start();
    let damage = |entries: &mut Entries, key: &str| {
        entries.call("SETRANGE", key, &[b"57", b"???"]);
    };
    let polls = walk(&server, damage, plain).await;
    assert!(polls >= 5, "it takes the lease by a command of its own, after {polls} polls");
}

#[tokio::test]
async fn cancelled_read_that_waits_for_a_lease_holds_nobody_up() {
    let server = RedisServer::start();
    let lease = |entries: &mut Entries, key: &str| {
        let mut lease = [7; 28];
        (lease[0], lease[1], lease[2], lease[3]) = (0xCA, 1, b'L', 0);
        entries.call("SET", key, &[&lease, b"PX", b"40"]);
    };
    let polls = walk(&server, lease, plain).await;
    assert!(polls >= 6, "it looks again and again, and there were {polls} polls");
}

#[tokio::test]
async fn cancelled_refresh_holds_nobody_up() {
    let server = RedisServer::start();
    for absent in [true, false] {
        let prepare = |entries: &mut Entries, key: &str| {
            if absent {
                entries.call("DEL", key, &[]);
            }
        };
        let refreshed = async |cache: Cache, key| {
            refresh(cache.get_or_load(key, &POLICY, load)).await.unwrap();
        };
        let polls = walk(&server, prepare, refreshed).await;
        assert!(
            polls >= 4,
            "a look, the load and the fill are awaits, and there were {polls} polls"
        );
    }
}
