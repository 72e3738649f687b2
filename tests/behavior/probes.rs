//! Every probe has an id of its own, and a lease whose grant was not heard of is not lost.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use cachekit::{Cache, Status, with_status};
use cachekit_test_support::{Command, Proxy, RedisServer, named};
use cachekit_tests::{
    Entries, POLICY, cache, first_poll, item, patient_builder, soon, until, until_linked,
};
use tokio::task::JoinSet;

/// A lease of some other process, as that would write it.
const FOREIGN_LEASE: [u8; 28] = {
    let mut lease = [7; 28];
    (lease[0], lease[1], lease[2], lease[3]) = (0xCA, 1, b'L', 0);
    lease
};

fn lease_for_a_minute(entries: &mut Entries, key: &str) {
    entries.call("SET", key, &[&FOREIGN_LEASE, b"PX", b"60000"]);
}

/// The id that a command may put under its key.
fn new_id(command: &Command) -> Option<Vec<u8>> {
    let entry = match command.script_args() {
        _ if command.is("SET") => &command.args[2],
        Some(3 | 4) if command.is("EVALSHA") => &command.args[5],
        _ => return None,
    };
    Some(entry[4..20].to_vec())
}

/// Reads that find something, until the cache expects it.
async fn expect_hits(cache: &Cache) {
    let read = async |id| cache.get_or_load(item(id), &POLICY, async || Ok::<_, ()>(id)).await;
    for _ in 0..50 {
        assert_eq!(read(0).await, Ok(0));
    }
}

#[tokio::test]
async fn where_most_keys_are_there_a_read_looks_first_and_a_miss_is_leased_all_the_same() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = cache(&proxy.url()).await;
    expect_hits(&cache).await;
    let before = proxy.commands().len();
    let read = cache.get_or_load(item(0), &POLICY, async || Err::<u64, _>("a load"));
    assert_eq!(with_status(read).await, (Ok(0), Status::Hit));
    let read = cache.get_or_load(item(1), &POLICY, async || Ok::<_, ()>(1));
    assert_eq!(with_status(read).await, (Ok(1), Status::Loaded));
    let mut sent = proxy.commands().split_off(before);
    sent.retain(|command| !command.is("PING"));
    let expected = ["GETEX", "GETEX", "SET", "EVALSHA"];
    assert_eq!(sent.len(), expected.len(), "{sent:?}");
    assert!(sent.iter().zip(expected).all(|(sent, name)| sent.is(name)), "{sent:?}");
}

#[tokio::test]
async fn a_crowd_before_one_key_does_not_look_one_by_one() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = cache(&proxy.url()).await;
    expect_hits(&cache).await;
    let before = proxy.commands().len();
    let mut crowd = JoinSet::new();
    for _ in 0..1000 {
        let cache = cache.clone();
        crowd.spawn(async move {
            cache.get_or_load(item(0), &POLICY, async || Err::<u64, _>("a load")).await
        });
    }
    assert!(soon(crowd.join_all()).await.iter().all(|found| *found == Ok(0)));
    let sent = proxy.commands().len() - before;
    assert!(sent < 20, "{sent} commands for 1000 callers");
}

#[tokio::test]
async fn a_look_is_not_taken_at_a_key_whose_invalidation_is_pending() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = cache(&proxy.url()).await;
    expect_hits(&cache).await;
    let lost = proxy.lose_replies(|command| command.is("UNLINK"));
    let outcome = soon(cache.invalidate(item(0))).await;
    assert_eq!(outcome, cachekit::Outcome::Pending);
    let looks = || proxy.commands().iter().filter(|command| command.is("GETEX")).count();
    let before = looks();
    let read = cache.get_or_load(item(0), &POLICY, async || Ok::<_, ()>(7));
    assert_eq!(with_status(soon(read)).await, (Ok(7), Status::Bypassed));
    assert_eq!(looks(), before);
    drop(lost);
}

#[tokio::test]
async fn probe_id_is_never_sent_twice() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = cache(&proxy.url()).await;
    let mut entries = Entries::of(&server);
    for round in 0..3 {
        let waits = 100 + round;
        lease_for_a_minute(&mut entries, &format!("item:{waits}"));
        let read = async |id| cache.get_or_load(item(id), &POLICY, async || Ok::<_, ()>(id)).await;
        // One reader polls a foreign lease; the probes of others are lost on their way back.
        let mut polling = pin!(read(waits));
        assert!(first_poll(polling.as_mut()).is_pending());
        let lost = proxy.lose_replies(move |command| {
            command.is("SET") && command.args[1].ends_with(format!(":{round}").as_bytes())
        });
        // No link before the one who polls has missed it: it would go on polling.
        proxy.refuse(true);
        assert_eq!(soon(read(round)).await, Ok(round));
        drop(lost);
        assert_eq!(soon(polling).await, Ok(waits));
        proxy.refuse(false);
        until_linked(&cache, true).await;
        for id in 10..20 {
            assert_eq!(soon(read(10 * round + id)).await, Ok(10 * round + id));
        }
    }
    soon(hand_over(&server, &proxy, &cache, 1000)).await;
    let ids = proxy.commands().iter().filter_map(new_id).collect::<Vec<_>>();
    assert!(ids.len() > 40, "{} ids were sent", ids.len());
    let distinct = ids.iter().collect::<HashSet<_>>();
    assert_eq!(distinct.len(), ids.len(), "an id was sent twice");
}

/// A leader's probe is granted, its reply is held, and the leader goes away: another member goes on.
async fn hand_over(server: &RedisServer, proxy: &Proxy, cache: &Cache, id: u64) {
    let (mut entries, text) = (Entries::of(server), format!("item:{id}"));
    lease_for_a_minute(&mut entries, &text);
    let load = async || Ok::<_, ()>(1_u64);
    let mut leader = Box::pin(cache.get_or_load(item(id), &POLICY, load));
    let probes = proxy.count(named("SET"));
    tokio::select! {
        () = until("it waits for the foreign lease", || proxy.count(named("SET")) > probes + 1) => {}
        _ = &mut leader => panic!("the key is leased"),
    }
    // A probe on its way closes the flight to newcomers, so they come at different times.
    let mut members = JoinSet::new();
    for _ in 0..5 {
        let cache = cache.clone();
        members.spawn(async move { with_status(cache.get_or_load(item(id), &POLICY, load)).await });
        assert!(tokio::time::timeout(Duration::from_millis(3), &mut leader).await.is_err());
    }

    let replies = proxy.hold_replies(named("SET"));
    entries.call("DEL", &text, &[]);
    let granted = until("the leader's probe is granted", || {
        replies.waiting() == 1 && entries.get(&text).is_some_and(|lease| lease != FOREIGN_LEASE)
    });
    tokio::select! {
        () = granted => {}
        _ = &mut leader => panic!("its probe's reply is held"),
    }
    let probes = proxy.count(named("SET"));
    drop(leader);
    until("a member leads, and probes", || proxy.count(named("SET")) > probes).await;
    drop(replies);
    let answers = members.join_all().await;
    assert!(answers.contains(&(Ok(1), Status::Loaded)), "{answers:?}");
}

#[tokio::test]
async fn lost_probe_reply_is_adopted() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = patient_builder(&proxy.url()).await.build().unwrap();
    soon(hand_over(&server, &proxy, &cache, 1)).await;
}

#[tokio::test]
async fn lease_whose_grant_was_cut_off_is_given_up_when_the_link_is_back() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = cache(&proxy.url()).await;
    let lost = proxy.lose_replies(named("SET"));
    let load = async || Ok::<_, ()>(1_u64);
    let read = soon(with_status(cache.get_or_load(item(1), &POLICY, load))).await;
    assert_eq!(read, (Ok(1), Status::Bypassed));
    let mut entries = Entries::of(&server);
    assert!(entries.is_leased("item:1"), "the probe was carried out");
    drop(lost);
    // Far less than the lease has left.
    soon(until("nobody waits for it", || entries.pttl("item:1") == -2)).await;
    let read = soon(with_status(cache.get_or_load(item(1), &POLICY, load))).await;
    assert_eq!(read, (Ok(1), Status::Loaded));
}
