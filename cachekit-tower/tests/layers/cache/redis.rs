//! The cache layer over Redis: several processes' worth of caches, outages, and what is stored.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use cachekit_core::Cache;
use cachekit_test_support::{Proxy, RedisServer, named};
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::replies::{Front, Reply, Site, front, get, request, send, until, user, users, with};
use crate::waiting::Waiting;

async fn over(server: &RedisServer) -> Cache {
    Cache::builder().namespace("n").redis(&server.url()).await.unwrap().build().unwrap()
}

/// Sends requests at once, counted while they wait.
fn spawn(front: &Front, count: usize, waiting: &Waiting) -> JoinHandle<Vec<Reply>> {
    let sent: Vec<_> = (0..count)
        .map(|_| {
            let front = front.clone();
            tokio::spawn(waiting.of(async move { send(&front, get("/users/1")).await }))
        })
        .collect();
    tokio::spawn(async move {
        let mut replies = Vec::new();
        for sent in sent {
            replies.push(sent.await.unwrap());
        }
        replies
    })
}

/// A handler that waits, and the gate it waits at.
fn gated(lines: &'static [(&'static str, &'static str)]) -> (Site, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let (wait, number) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let site = Site::new(move |_| {
        let (wait, number) = (wait.clone(), number.fetch_add(1, SeqCst));
        async move {
            wait.acquire().await.unwrap().forget();
            with(lines, number.to_string())
        }
    });
    (site, gate)
}

#[tokio::test]
async fn processes_share_responses_and_their_invalidation() {
    let server = RedisServer::start();
    let (one, other) = (over(&server).await, over(&server).await);
    let site = Site::numbered(&[("x-a", "1"), ("x-a", "2")]);
    let (here, there) = (front(users(&one), &site), front(users(&other), &site));
    let miss = send(&here, get("/users/1")).await;
    let mut hit = send(&there, get("/users/1")).await;
    assert!(hit.is_hit());
    hit.headers.remove("age");
    hit.headers.insert("cache-status", miss.headers["cache-status"].clone());
    assert_eq!(hit, miss);
    for (writer, number) in [(&one, "1"), (&other, "2")] {
        writer.invalidate(user("1")).await;
        assert_eq!(send(&here, get("/users/1")).await.text(), number);
        assert_eq!(send(&there, get("/users/1")).await.text(), number);
    }
}

#[tokio::test]
async fn two_processes_at_once_are_one_call() {
    let server = RedisServer::start();
    let (site, gate) = gated(&[]);
    let fronts =
        [front(users(&over(&server).await), &site), front(users(&over(&server).await), &site)];
    let waiting = Waiting::default();
    let asked = fronts.map(|front| spawn(&front, 50, &waiting));
    until("one runs", || site.calls() == 1).await;
    waiting.reach(100).await;
    gate.add_permits(1);
    for asked in asked {
        assert!(asked.await.unwrap().iter().all(|reply| reply.text() == "0"));
    }
    assert_eq!(site.calls(), 1);
}

#[tokio::test]
async fn tagged_fill_race_not_shared() {
    let server = RedisServer::start();
    // Another process writes: nothing here hears of it but by the generations.
    let (reader, writer) = (over(&server).await, over(&server).await);
    let (site, gate) = gated(&[]);
    let front = front(users(&reader), &site);
    let waiting = Waiting::default();
    let early = spawn(&front, 1, &waiting);
    until("it runs", || site.calls() == 1).await;
    writer.invalidate(user("1")).await;
    let late = spawn(&front, 1, &waiting);
    waiting.reach(2).await;
    gate.add_permits(2);
    assert_eq!(early.await.unwrap()[0].text(), "0");
    assert_eq!(late.await.unwrap()[0].text(), "1", "it came after the write");
    assert_eq!(send(&front, get("/users/1")).await.text(), "1");
}

#[tokio::test]
async fn zero_lifetime_shared_not_stored() {
    let server = RedisServer::start();
    let (reader, writer) = (over(&server).await, over(&server).await);
    let (site, gate) = gated(&[("cache-control", "max-age=0")]);
    let front = front(users(&reader), &site);
    let waiting = Waiting::default();
    // Those that come while nothing is loaded yet are members of the next run.
    let first = spawn(&front, 1, &waiting);
    until("one runs", || site.calls() == 1).await;
    let all = spawn(&front, 30, &waiting);
    waiting.reach(31).await;
    gate.add_permits(1);
    first.await.unwrap();
    let all = all.await.unwrap();
    assert!(all.iter().all(|reply| reply.text() == "0"), "{all:?}");
    let next = spawn(&front, 1, &waiting);
    until("it is not stored", || site.calls() == 2).await;
    writer.invalidate(user("1")).await;
    let late = spawn(&front, 1, &waiting);
    waiting.reach(2).await;
    gate.add_permits(2);
    assert_eq!(next.await.unwrap()[0].text(), "1");
    assert_eq!(late.await.unwrap()[0].text(), "2", "it came after the write");
}

#[tokio::test]
async fn redis_down_is_bypass() {
    let mut server = RedisServer::start();
    let cache = over(&server).await;
    let site = Site::numbered(&[]);
    let front = front(users(&cache), &site);
    send(&front, get("/users/1")).await;
    assert!(send(&front, get("/users/1")).await.is_hit());
    server.kill();
    until("it is noticed", || !cache.health().store_is_up).await;
    for number in ["1", "2"] {
        let reply = send(&front, get("/users/1")).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (200, number));
        assert!(!reply.is_hit());
    }
    server.restart();
    until("it is back", || cache.health().store_is_up).await;
    let reply = send(&front, get("/users/1")).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn corrupt_snapshot_is_miss() {
    let server = RedisServer::start();
    let cache = over(&server).await;
    let site = Site::numbered(&[]);
    let front = front(users(&cache), &site);
    let changes = [
        // Another version of the codec.
        "return (string.gsub(v, 'ckr\\1', 'ckr\\9'))",
        "return string.sub(v, 1, -4)",
        "return string.sub(v, 1, 60) .. 'X' .. string.sub(v, 62)",
        "return 'nothing at all'",
    ];
    for (number, change) in changes.iter().enumerate() {
        let path = format!("/users/{number}");
        let stored = send(&front, get(&path)).await;
        assert!(send(&front, get(&path)).await.is_hit());
        let script = format!(
            "local f = function(v) {change} end local n = 0 \
             for _, k in ipairs(redis.call('KEYS', '*~r:*')) do \
             redis.call('SET', k, f(redis.call('GET', k)), 'KEEPTTL') n = n + 1 end return n"
        );
        let changed = server.connection().call(&["EVAL", &script, "0"]);
        assert!(format!("{changed:?}").contains("Int("), "{changed:?}");
        let reply = send(&front, get(&path)).await;
        assert_eq!(reply.status, 200, "{change}");
        assert!(!reply.is_hit() && reply.text() != stored.text(), "{change}: {reply:?}");
    }
}

/// Who is told of the panic reads what was written before it, whichever process is asked.
#[tokio::test]
async fn a_panic_goes_out_after_the_invalidation() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = Cache::builder().namespace("n").redis(&proxy.url()).await.unwrap().build().unwrap();
    let site = Site::new(|request| async move {
        assert!(request.method() != "PUT", "after its write");
        with(&[], "x")
    });
    let (writing, reading) =
        (front(users(&cache), &site), front(users(&over(&server).await), &site));
    send(&reading, get("/users/1")).await;
    let held = proxy.hold(named("UNLINK"));
    let put = tokio::spawn(async move { send(&writing, request("PUT", "/users/1", &[])).await });
    until("it invalidates", || held.waiting() > 0).await;
    assert!(!put.is_finished());
    drop(held);
    assert!(put.await.unwrap_err().is_panic());
    assert!(!send(&reading, get("/users/1")).await.is_hit());
}
