//! A majority of servers decides who has a lock, and two of five are not needed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cachekit::{ErrorKind, RedisOptions, Redlock};
use cachekit_test_support::{RedisServer, Reply};
use cachekit_tests::{Polls, item, soon, until, until_async};

const KEY: &str = "ck~lock:t:{item:1}";
const LEASE: Duration = Duration::from_millis(900);
/// Patient, for the machine may be busy.
const NODE_TIMEOUT: Duration = Duration::from_millis(200);

const SECOND: Duration = Duration::from_secs(1);

fn servers() -> Vec<RedisServer> {
    (0..5).map(|_| RedisServer::start()).collect()
}

async fn redlock(servers: &[RedisServer]) -> Redlock {
    let redlock = Redlock::new(servers.iter().map(RedisServer::url)).namespace("t");
    redlock.node_timeout(NODE_TIMEOUT).connect().await.unwrap()
}

fn votes(servers: &[RedisServer]) -> usize {
    let has = |server: &&RedisServer| server.connection().call(&["EXISTS", KEY]) == Reply::Int(1);
    servers.iter().filter(has).count()
}

#[tokio::test]
async fn majority_excludes_everybody_else_and_nothing_is_left_after_a_release() {
    let servers = servers();
    let (one, other) = (redlock(&servers).await, redlock(&servers).await);
    assert_eq!(one.quorum(), 3);
    let guard = one.lock(item(1)).acquire().await.unwrap();
    until("all have voted", || votes(&servers) == 5).await;
    let busy = other.lock(item(1)).try_acquire().await.unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Busy);
    assert_eq!(one.lock(item(1)).try_acquire().await.unwrap_err().kind(), ErrorKind::Busy);
    let begun = Instant::now();
    let wait = Duration::from_millis(200);
    let exhausted = other.lock(item(1)).wait(wait).acquire().await.unwrap_err();
    assert_eq!(exhausted.kind(), ErrorKind::WaitExhausted);
    assert!(begun.elapsed() >= wait && begun.elapsed() < wait + SECOND, "{:?}", begun.elapsed());
    assert_eq!(votes(&servers), 5, "the votes are another's");
    guard.check().unwrap();
    guard.release().await.unwrap();
    assert_eq!(votes(&servers), 0);
    let guard = other.lock(item(1)).try_acquire().await.unwrap();
    drop(guard);
    until("the votes are taken back", || votes(&servers) == 0).await;
}

#[tokio::test]
async fn two_of_five_servers_may_be_down() {
    for frozen in [false, true] {
        let mut servers = servers();
        let down = servers.split_off(3);
        let all: Vec<_> = servers.iter().chain(&down).map(RedisServer::url).collect();
        let connect = Redlock::new(all).namespace("t").node_timeout(NODE_TIMEOUT).connect();
        let (redlock, mut down) = (connect.await.unwrap(), down);
        for server in &mut down {
            if frozen { server.stop_with_sigstop() } else { server.kill() }
        }
        for _ in 0..5 {
            let begun = Instant::now();
            let guard = redlock.lock(item(1)).lease(LEASE).acquire().await.unwrap();
            assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
            assert_eq!(votes(&servers), 3);
            guard.release().await.unwrap();
            assert_eq!(votes(&servers), 0);
        }
        let guard = redlock.lock(item(1)).lease(LEASE).acquire().await.unwrap();
        // That its lease ends meanwhile is what this is about.
        tokio::time::sleep(LEASE + LEASE / 2).await;
        guard.check().unwrap();
        assert_eq!(votes(&servers), 3, "it was renewed");
    }
}

#[tokio::test]
async fn three_of_five_servers_down_is_said_at_once_and_nothing_is_left() {
    for frozen in [false, true] {
        let mut servers = servers();
        let redlock = redlock(&servers).await;
        redlock.lock(item(1)).acquire().await.unwrap().release().await.unwrap();
        let mut down = servers.split_off(2);
        for server in &mut down {
            if frozen { server.stop_with_sigstop() } else { server.kill() }
        }
        for _ in 0..3 {
            let begun = Instant::now();
            let error = redlock.lock(item(1)).wait(20 * SECOND).acquire().await.unwrap_err();
            let took = begun.elapsed();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
            assert!(error.message().starts_with("3 of 5 servers are down"), "{error}");
            // One time-out to ask, one to take back.
            assert!(took < 4 * NODE_TIMEOUT, "{took:?}");
            assert_eq!(votes(&servers), 0, "the votes of the two are taken back");
        }
        if frozen {
            down.iter().for_each(RedisServer::cont);
            let back = async || redlock.lock(item(1)).try_acquire().await.is_ok();
            until_async("the majority is back", back).await;
            until("late votes are taken back", || votes(&down) == 0).await;
        }
    }
}

#[tokio::test]
async fn holder_is_told_when_the_majority_is_gone() {
    let servers = servers();
    let redlock = redlock(&servers).await;
    let guard = redlock.lock(item(1)).lease(LEASE).acquire().await.unwrap();
    let begun = Instant::now();
    servers[..3].iter().for_each(RedisServer::stop_with_sigstop);
    let error = guard.run(std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockLost);
    assert!(begun.elapsed() < LEASE, "{:?}", begun.elapsed());
    assert_eq!(guard.check().unwrap_err().kind(), ErrorKind::LockLost);
    let error = soon(guard.release()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockLost);
    until("the others' votes are taken back", || votes(&servers[3..]) == 0).await;
}

#[tokio::test]
async fn holder_is_told_when_a_majority_has_another_vote_or_none() {
    for by_hand in [vec!["DEL", KEY], vec!["SET", KEY, "somebody else"]] {
        let servers = servers();
        let redlock = redlock(&servers).await;
        let guard = redlock.lock(item(1)).lease(LEASE).acquire().await.unwrap();
        until("all have voted", || votes(&servers) == 5).await;
        for server in &servers[..2] {
            server.connection().call(&by_hand);
        }
        // That the lease of the votes ends meanwhile is what this is about.
        tokio::time::sleep(LEASE).await;
        guard.check().unwrap();
        servers[2].connection().call(&by_hand);
        let changed = Instant::now();
        assert_eq!(soon(guard.lost()).await.kind(), ErrorKind::LockLost);
        assert!(changed.elapsed() < LEASE, "{:?}", changed.elapsed());
        drop(guard);
        let theirs = if by_hand[0] == "SET" { 3 } else { 0 };
        until("only votes for the holder are taken back", || votes(&servers) == theirs).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counter_under_the_lock_is_exact() {
    let servers = servers();
    let (counter, inside) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let redlock = redlock(&servers).await;
        for _ in 0..4 {
            let (redlock, counter, inside) = (redlock.clone(), counter.clone(), inside.clone());
            tasks.push(tokio::spawn(async move {
                for _ in 0..10 {
                    let request = redlock.lock(item(1)).wait(60 * SECOND);
                    request
                        .run(async {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            tokio::task::yield_now().await;
                            counter.fetch_add(1, Ordering::SeqCst);
                            inside.fetch_sub(1, Ordering::SeqCst);
                        })
                        .await
                        .unwrap();
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(counter.load(Ordering::SeqCst), 160);
    until("nothing is left", || votes(&servers) == 0).await;
}

#[tokio::test]
async fn acquisition_that_is_dropped_leaves_no_vote() {
    let servers = servers();
    let (one, other) = (redlock(&servers).await, redlock(&servers).await);
    for polls in 0.. {
        let done = Polls::new(one.lock(item(1)).acquire(), polls).await.is_some();
        until("no vote is left", || votes(&servers) == 0).await;
        let guard = soon(other.lock(item(1)).acquire()).await.unwrap();
        let _ = Polls::new(one.lock(item(1)).acquire(), polls).await;
        let _ = Polls::new(guard.release(), polls).await;
        until("no vote is left", || votes(&servers) == 0).await;
        if done {
            break;
        }
    }
}

#[tokio::test]
async fn connecting_that_is_dropped_closes_what_was_open() {
    let servers = servers();
    for polls in 0.. {
        let connect = Redlock::new(servers.iter().map(RedisServer::url)).connect();
        let done = Polls::new(connect, polls).await.is_some();
        let clients = |server: &RedisServer| {
            let Reply::Bulk(Some(list)) = server.connection().call(&["CLIENT", "LIST"]) else {
                return 0;
            };
            String::from_utf8_lossy(&list).lines().count() - 1
        };
        until("all are closed", || servers.iter().map(clients).sum::<usize>() == 0).await;
        if done {
            break;
        }
    }
}

#[tokio::test]
async fn lease_that_leaves_no_time_to_vote_is_refused() {
    let servers = servers();
    let redlock = Redlock::new(servers.iter().map(RedisServer::url))
        .redis_options(RedisOptions::new())
        .node_timeout(Duration::from_millis(100));
    let redlock = redlock.connect().await.unwrap();
    let error = redlock.lock(item(1)).lease(Duration::from_millis(399)).acquire().await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Config);
    let error = redlock.lock(item(1)).lease(Duration::from_millis(99)).acquire().await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Config);
    let two = Redlock::new(servers[..2].iter().map(RedisServer::url)).connect().await;
    assert_eq!(two.unwrap_err().kind(), ErrorKind::Config);
}
