//! Every probe has an id of its own, and a lease whose grant was not heard of is not lost.

use std::collections::HashSet;
use std::pin::pin;

use cachekit::{Status, with_status};
use cachekit_test_support::{Command, Proxy, RedisServer, named};
use cachekit_tests::{
    Entries, POLICY, cache, first_poll, item, patient_builder, soon, until, until_linked,
};

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
        assert_eq!(soon(read(round)).await, Ok(round));
        drop(lost);
        assert_eq!(soon(polling).await, Ok(waits));
        until_linked(&cache, true).await;
        for id in 10..20 {
            assert_eq!(soon(read(10 * round + id)).await, Ok(10 * round + id));
        }
    }
    let ids = proxy.commands().iter().filter_map(new_id).collect::<Vec<_>>();
    assert!(ids.len() > 40, "{} ids were sent", ids.len());
    let distinct = ids.iter().collect::<HashSet<_>>();
    assert_eq!(distinct.len(), ids.len(), "an id was sent twice");
}

#[tokio::test]
async fn lost_probe_reply_is_adopted() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = patient_builder(&proxy.url()).await.build().unwrap();
    let mut entries = Entries::of(&server);
    lease_for_a_minute(&mut entries, "item:1");
    let load = async || Ok::<_, ()>(1_u64);
    let mut leader = Box::pin(cache.get_or_load(item(1), &POLICY, load));
    let leading = tokio::time::timeout(std::time::Duration::from_millis(20), &mut leader);
    assert!(leading.await.is_err(), "it waits for the foreign lease");
    let mut member = pin!(with_status(cache.get_or_load(item(1), &POLICY, load)));
    assert!(first_poll(member.as_mut()).is_pending());

    let replies = proxy.hold_replies(named("SET"));
    entries.call("DEL", "item:1", &[]);
    let granted = until("the leader's probe is granted", || {
        replies.waiting() == 1 && entries.get("item:1").is_some_and(|lease| lease != FOREIGN_LEASE)
    });
    tokio::select! {
        () = granted => {}
        _ = &mut leader => panic!("its probe's reply is held"),
    }
    drop(leader);
    assert!(first_poll(member.as_mut()).is_pending(), "it leads, and probes");
    drop(replies);
    assert_eq!(soon(member).await, (Ok(1), Status::Loaded));
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
