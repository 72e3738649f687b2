//! What is damaged, or not ours at all, is a miss: it is replaced, once, and never an error.

use cachekit::{Status, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{Entries, POLICY, cache, item, soon};

fn with(at: usize, byte: u8) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |mut bytes| {
        bytes[at] ^= byte;
        bytes
    }
}

type Damage = (&'static str, Box<dyn Fn(Vec<u8>) -> Vec<u8>>);

fn damages() -> Vec<Damage> {
    let mut damages: Vec<Damage> = vec![
        ("a bad checksum over the payload", Box::new(with(58, 0x20))),
        ("a bad checksum over the expiry", Box::new(with(30, 1))),
        ("a bad magic", Box::new(with(0, 1))),
        ("a layout to come", Box::new(with(1, 8))),
        ("a kind that is none", Box::new(with(2, 8))),
        ("a compressed payload that is none", Box::new(with(3, 1))),
        (
            "a byte too many",
            Box::new(|mut bytes| {
                bytes.push(0);
                bytes
            }),
        ),
    ];
    for length in [0, 1, 3, 27, 28, 29, 55, 56, 59, 60] {
        damages.push((
            "too short",
            Box::new(move |mut bytes| {
                bytes.truncate(length);
                bytes
            }),
        ));
    }
    damages
}

/// The next readers load once and keep what they loaded.
async fn heals(server: &RedisServer, id: u64, what: &str) {
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let load = async || Ok::<_, ()>("new".to_owned());
    let read = soon(with_status(a.get_or_load(item(id), &POLICY, load))).await;
    assert_eq!(read, (Ok("new".to_owned()), Status::Loaded), "{what}");
    let read = soon(with_status(b.get_or_load(item(id), &POLICY, load))).await;
    assert_eq!(read, (Ok("new".to_owned()), Status::Hit), "{what}");
}

#[tokio::test]
async fn corrupt_entry_is_a_miss() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let mut entries = Entries::of(&server);
    for (id, (what, damage)) in (0..).zip(damages()) {
        let load = async || Ok::<_, ()>("old value".to_owned());
        cache.get_or_load(item(id), &POLICY, load).await.unwrap();
        let key = format!("item:{id}");
        let entry = damage(entries.get(&key).unwrap());
        entries.call("SET", &key, &[&entry, b"KEEPTTL"]);
        let peek = cache.peek::<String>(&item(id)).await;
        assert_eq!(peek, cachekit::Peek::Miss, "{what}");
        heals(&server, id, what).await;
    }
}

#[tokio::test]
async fn a_key_of_another_redis_type_is_a_miss() {
    let server = RedisServer::start();
    let mut entries = Entries::of(&server);
    let others: [(&str, &[&[u8]]); 4] =
        [("RPUSH", &[b"a"]), ("SADD", &[b"a"]), ("HSET", &[b"a", b"b"]), ("ZADD", &[b"1", b"a"])];
    for (id, (command, args)) in (0..).zip(others) {
        entries.call(command, &format!("item:{id}"), args);
        heals(&server, id, command).await;
    }
}

#[tokio::test]
async fn an_entry_damaged_under_a_load_is_not_filled() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let mut entries = Entries::of(&server);
    let load = async || {
        entries.call("DEL", "item:1", &[]);
        entries.call("RPUSH", "item:1", &[b"a"]);
        Ok::<_, ()>(1_u64)
    };
    let read = soon(with_status(cache.get_or_load(item(1), &POLICY, load))).await;
    assert_eq!(read.0, Ok(1));
    heals(&server, 2, "the cache goes on").await;
}
