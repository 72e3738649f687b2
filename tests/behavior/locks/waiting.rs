//! Who waits for a lock is woken when it is free, one at a time, and served in spite of lost wakes and dead waiters.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cachekit::Cache;
use cachekit_test_support::{Command, Proxy, RedisServer};
use cachekit_tests::{cache, patient_builder, soon, until};
use tokio::task::JoinSet;

use super::{Hand, LONG, lock, name, order, take, two};

fn scripts(command: &Command) -> bool {
    command.is("EVALSHA") || command.is("EVAL")
}

#[tokio::test]
async fn who_waits_is_woken_by_the_release() {
    let server = RedisServer::start();
    let (own, other) = two(&server).await;
    let mut hand = Hand::of(&server);
    // The first wait makes the connection.
    for _ in 0..20 {
        let guard = take(&own).await;
        let waiting = tokio::spawn(lock(&other).acquire());
        until("the other waits", || hand.waiting() == 1).await;
        let began = std::time::Instant::now();
        guard.release().await.unwrap();
        let guard = soon(waiting).await.unwrap().unwrap();
        assert!(began.elapsed() < Duration::from_millis(400), "not by looking again");
        assert_eq!(hand.waiting(), 0);
        guard.release().await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_wake_costs_time_only() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (own, other) = (cache(&server.url()).await, cache(&proxy.url()).await);
    let mut hand = Hand::of(&server);
    let guard = take(&own).await;
    let waiting = tokio::spawn(lock(&other).acquire());
    until("the other waits", || hand.waiting() == 1).await;
    let _silent = proxy.hold_pushes();
    guard.release().await.unwrap();
    assert!(soon(waiting).await.unwrap().is_ok());
}

#[tokio::test]
async fn the_lock_of_a_holder_that_died_is_had_when_its_lease_is_over() {
    let server = RedisServer::start();
    let (own, other) = two(&server).await;
    let short = own.lock(order(1)).lease(Duration::from_millis(300)).acquire().await.unwrap();
    short.leave_to_expire();
    let began = std::time::Instant::now();
    let guard = take(&other).await;
    assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
    guard.release().await.unwrap();
}

/// Four processes with 25 waiters each. However many wait, a hand-over takes the release and one or two more.
#[tokio::test]
async fn a_hand_over_wakes_no_herd() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    for fair in [false, true] {
        let held = take(&cache(&server.url()).await).await;
        let inside = Arc::new(Mutex::new(()));
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let cache = cache(&proxy.url()).await;
            for _ in 0..25 {
                let (lock, inside) = (lock(&cache), inside.clone());
                let lock = if fair { lock.fair() } else { lock };
                tasks.spawn(async move {
                    let guard = lock.acquire().await.unwrap();
                    assert!(inside.try_lock().is_ok(), "two hold it");
                    guard.release().await.unwrap();
                });
            }
        }
        let mut hand = Hand::of(&server);
        let line = if fair { 100 } else { 4 };
        until("all wait", || hand.waiting() == line).await;
        let before = proxy.count(scripts);
        held.release().await.unwrap();
        let done = async { while tasks.join_next().await.transpose().unwrap().is_some() {} };
        tokio::time::timeout(Duration::from_secs(20), done).await.expect("all are served");
        let commands = proxy.count(scripts) - before;
        println!("fair: {fair}, commands a hand-over: {}", commands as f64 / 100.0);
        assert!(commands <= 350, "{commands} commands for 100 hand-overs");
    }
}

#[tokio::test]
async fn the_fair_are_served_in_the_order_of_their_coming_over_all_processes() {
    let server = RedisServer::start();
    let caches =
        [cache(&server.url()).await, cache(&server.url()).await, cache(&server.url()).await];
    let held = take(&caches[0]).await;
    let (order, mut tasks) = (Arc::new(Mutex::new(Vec::new())), JoinSet::new());
    let mut hand = Hand::of(&server);
    for number in 0..12 {
        let (lock, order) = (lock(&caches[number % 3]).fair(), order.clone());
        tasks.spawn(async move {
            let guard = lock.acquire().await.unwrap();
            order.lock().unwrap().push(number);
            guard.release().await.unwrap();
        });
        until("it stands in line", || hand.waiting() == number as i64 + 1).await;
    }
    held.release().await.unwrap();
    soon(tasks.join_all()).await;
    assert_eq!(*order.lock().unwrap(), (0..12).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_newcomer_does_not_pass_the_fair() {
    let server = RedisServer::start();
    let (own, other) = two(&server).await;
    let mut hand = Hand::of(&server);
    let held = take(&own).await;
    let waiting = tokio::spawn(lock(&other).fair().acquire());
    until("the other waits", || hand.waiting() == 1).await;
    // As if the holder had died, and nobody had been woken.
    hand.call(&["DEL", &name("lock", 1)]);
    assert!(lock(&own).fair().try_acquire().await.is_err());
    assert!(soon(waiting).await.unwrap().is_ok());
    drop(held);
}

#[tokio::test]
async fn a_dead_head_of_the_line_is_passed_by() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let mut hand = Hand::of(&server);
    for fair in [true, false] {
        let held = take(&cache).await;
        // It was alive when the lock was released last.
        hand.call(&["ZADD", &name("line", 1), "-1", "dead:1"]);
        hand.call(&["HSET", &name("beats", 1), "dead:1", "1000"]);
        held.release().await.unwrap();
        let lock = lock(&cache);
        let lock = if fair { lock.fair() } else { lock };
        let guard = soon(lock.acquire()).await.unwrap();
        guard.release().await.unwrap();
        assert_eq!(hand.waiting(), 0);
    }
}

/// The way of the one who waits is long, so that whoever is at hand is always quicker.
#[tokio::test]
async fn one_process_does_not_keep_the_lock_from_others_that_wait() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (busy, patient) = (cache(&server.url()).await, cache(&proxy.url()).await);
    let held = take(&busy).await;
    let mut hand = Hand::of(&server);
    let waiting = tokio::spawn(lock(&patient).acquire());
    until("the other waits", || hand.waiting() == 1).await;
    let _slow = proxy.delay(Duration::from_millis(50), scripts);
    let quicker = Arc::new(AtomicUsize::new(0));
    let crowd = |cache: Cache, quicker: Arc<AtomicUsize>| async move {
        loop {
            let guard = lock(&cache).acquire().await.unwrap();
            quicker.fetch_add(1, Ordering::SeqCst);
            guard.release().await.unwrap();
        }
    };
    let crowd: Vec<_> =
        (0..8).map(|_| tokio::spawn(crowd(busy.clone(), quicker.clone()))).collect();
    held.release().await.unwrap();
    assert!(soon(waiting).await.unwrap().is_ok());
    crowd.iter().for_each(|task| task.abort());
    let quicker = quicker.load(Ordering::SeqCst);
    assert!(quicker <= 8, "{quicker} times others were quicker");
}

#[tokio::test]
async fn the_first_in_line_that_goes_away_passes_its_wake_on() {
    let server = RedisServer::start();
    let (own, other) = two(&server).await;
    let mut hand = Hand::of(&server);
    let held = take(&own).await;
    let first = tokio::spawn(lock(&own).fair().acquire());
    until("one waits", || hand.waiting() == 1).await;
    let second = tokio::spawn(lock(&other).fair().acquire());
    until("two wait", || hand.waiting() == 2).await;
    hand.call(&["DEL", &name("lock", 1)]);
    first.abort();
    let began = std::time::Instant::now();
    assert!(soon(second).await.unwrap().is_ok());
    assert!(began.elapsed() < Duration::from_millis(400), "not by looking again");
    drop(held);
}

#[tokio::test]
async fn waiting_survives_the_loss_of_the_connection_that_wakes() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (own, other) = (cache(&server.url()).await, cache(&proxy.url()).await);
    let mut hand = Hand::of(&server);
    let guard = take(&own).await;
    let waiting = tokio::spawn(lock(&other).wait(LONG).acquire());
    until("the other waits", || hand.waiting() == 1).await;
    // All connections of the kind that is told things, which is one.
    hand.call(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    guard.release().await.unwrap();
    assert!(soon(waiting).await.unwrap().is_ok());
}

/// The task that renews locks also sends what leaves the lines: one round trip for all, or leases would end meanwhile.
#[tokio::test]
async fn a_herd_that_gives_up_leaves_its_line_in_one_write() {
    const HERD: usize = 50;
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (own, far) =
        (cache(&server.url()).await, patient_builder(&proxy.url()).await.build().unwrap());
    let mut hand = Hand::of(&server);
    let held = take(&own).await;
    // From here on Redis knows the script, and this test too: no other one of three keys was sent yet.
    let short = lock(&far).fair().wait(Duration::from_millis(300)).acquire();
    assert!(soon(short).await.is_err());
    let of_three = |command: &Command| command.is("EVALSHA") && command.args[2] == b"3";
    until("one has left", || proxy.count(of_three) > 0 && hand.waiting() == 0).await;
    let leave = proxy.commands().into_iter().find(of_three).unwrap().args[1].clone();
    let leaves = move |command: &Command| command.is("EVALSHA") && command.args[1] == leave;
    let mut herd: Vec<_> = (0..HERD).map(|_| Box::pin(lock(&far).fair().acquire())).collect();
    let wait = std::future::poll_fn(|cx| {
        herd.iter_mut().for_each(|waits| assert!(waits.as_mut().poll(cx).is_pending()));
        std::task::Poll::<()>::Pending
    });
    tokio::select! {
        () = wait => {}
        () = until("all stand in line", || hand.waiting() == HERD as i64) => {}
    }
    let (before, replies) = (proxy.count(&leaves), proxy.hold_replies(leaves.clone()));
    drop(herd);
    until("all leave, though none is answered", || proxy.count(&leaves) - before == HERD).await;
    drop(replies);
    until("the line is empty", || hand.waiting() == 0).await;
    held.release().await.unwrap();
}
