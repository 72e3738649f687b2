//! Requests that do not get the lock, or need none.

use std::{pin::pin, time::Duration};

use cachekit_tower::{LockLayer, lock::OnUnavailable};
use http::{Method, header};
use tower::{Layer as _, Service as _, ServiceExt as _};

use super::{Asked, Gate, builder, put, shared};
use crate::writers::{
    cache, call,
    kit::{self, poll_once},
    request, until, user,
};

#[tokio::test]
async fn contention_is_429_with_retry_after() {
    let (_server, cache) = shared().await;
    let gate = Gate::default();
    let service = builder(&cache).build().unwrap().layer(gate.service());
    let first = tokio::spawn(service.clone().oneshot(put()));
    until("the first one runs", async || gate.running() == 1).await;
    let refused = service.clone().oneshot(put()).await.unwrap();
    assert_eq!(refused.status(), 429);
    let after: u64 = refused.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=31).contains(&after), "{after}");
    assert_eq!(refused.headers()[header::CACHE_CONTROL], "no-store");
    // Another key, and a method that is not guarded.
    gate.end_one();
    gate.end_one();
    let other = service.clone().oneshot(request(Method::PUT, "/users/2")).await.unwrap();
    assert_eq!(other.status(), 200);
    gate.end_one();
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
    assert_eq!(service.oneshot(put()).await.unwrap().status(), 200);
}

/// Callers that were refused together do not come back together.
#[tokio::test]
async fn retry_after_is_jittered() {
    let cache = cache();
    let _held = cache.lock(user(1)).acquire().await.unwrap();
    let service = builder(&cache).calls(["/users/1"]).build().unwrap();
    let service = service.layer(Gate::default().service());
    let mut all = Vec::new();
    for _ in 0..50 {
        let refused = service.clone().oneshot(call("/users/1", b"")).await.unwrap();
        let pushback = refused.headers()["grpc-retry-pushback-ms"].to_str().unwrap();
        all.push(pushback.parse::<u64>().unwrap());
    }
    assert!(all.iter().all(|after| (1000..2000).contains(after)), "{all:?}");
    all.sort_unstable();
    all.dedup();
    assert!(all.len() > 10, "{all:?}");
}

#[tokio::test]
async fn redis_down_is_503_not_429() {
    let (mut server, cache) = shared().await;
    let gate = Gate::default();
    let service = builder(&cache).build().unwrap().layer(gate.service());
    server.kill();
    until("the connection is known to be gone", async || {
        service.clone().oneshot(put()).await.unwrap().status() != 200
    })
    .await;
    let refused = service.clone().oneshot(put()).await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    assert_eq!(gate.running(), 0, "it fails closed");
    // By name only.
    gate.end_one();
    let builder = builder(&cache).on_unavailable(OnUnavailable::Proceed);
    let service = builder.build().unwrap().layer(gate.service());
    assert_eq!(service.oneshot(put()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn no_request_id_is_a_way_past_a_lock() {
    let cache = cache();
    let gate = Gate::default();
    let builder = builder(&cache).on_unavailable(OnUnavailable::Proceed);
    let service = builder.build().unwrap().layer(gate.service());
    let mut odd = put();
    odd.headers_mut().insert("x-request-id", "a\tb".parse().unwrap());
    let _held = cache.lock(user(1)).acquire().await.unwrap();
    assert_eq!(service.oneshot(odd).await.unwrap().status(), 429);
}

#[tokio::test]
async fn grpc_contention_is_aborted_with_pushback() {
    let cache = cache();
    let layer = LockLayer::builder(&cache).calls(["/a.B/C"]).key_with(|_| Ok(user(1))).wait("0s");
    let service = layer.build().unwrap().layer(Gate::default().service());
    let held = cache.lock(user(1)).acquire().await.unwrap();
    let refused = service.clone().oneshot(call("/a.B/C", b"")).await.unwrap();
    assert_eq!(refused.status(), 200);
    assert_eq!(refused.headers()["grpc-status"], "10");
    assert!(refused.headers().contains_key("grpc-retry-pushback-ms"));
    drop(held);
}

#[tokio::test]
async fn waiters_hold_no_permit() {
    let cache = cache();
    let held = cache.lock(user(1)).acquire().await.unwrap();
    let probe = kit::probe(async |_: Asked| kit::text("done"));
    let counts = probe.counts.clone();
    let mut service = builder(&cache).wait("10s").build().unwrap().layer(probe);
    let mut waits = pin!(service.ready().await.unwrap().call(put()));
    assert!(poll_once(waits.as_mut()).is_pending());
    assert_eq!(counts.now(), (1, 0, 1), "readied, called, given back");
    held.release().await.unwrap();
    assert_eq!(waits.await.unwrap().status(), 200);
    assert_eq!(counts.now(), (2, 1, 1));
}

#[tokio::test]
async fn max_waiters_rejects() {
    let cache = cache();
    let held = cache.lock(user(1)).acquire().await.unwrap();
    let gate = Gate::default();
    let layer = builder(&cache).wait("10s").max_waiters(2).build().unwrap();
    // Two services of one layer count together.
    let (one, two) = (layer.layer(gate.service()), layer.layer(gate.service()));
    let waits: Vec<_> =
        [one.clone(), two.clone()].map(|service| tokio::spawn(service.oneshot(put()))).into();
    kit::settle().await;
    assert_eq!(one.clone().oneshot(put()).await.unwrap().status(), 429);
    held.release().await.unwrap();
    (0..3).for_each(|_| gate.end_one());
    for waits in waits {
        assert_eq!(waits.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(two.oneshot(put()).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn deadline_bounds_wait() {
    let cache = cache();
    let _held = cache.lock(user(1)).acquire().await.unwrap();
    let layer = LockLayer::builder(&cache).calls(["/a.B/C"]).key_with(|_| Ok(user(1))).wait("20s");
    let service = layer.build().unwrap().layer(Gate::default().service());
    for (timeout, most) in [("500m", 1), ("2S", 3), ("1H", 21)] {
        let mut asked = call("/a.B/C", b"");
        asked.headers_mut().insert("grpc-timeout", timeout.parse().unwrap());
        let began = tokio::time::Instant::now();
        let refused = service.clone().oneshot(asked).await.unwrap();
        assert_eq!(refused.headers()["grpc-status"], "10");
        assert!(began.elapsed() < Duration::from_secs(most), "{timeout}: {:?}", began.elapsed());
        assert!(began.elapsed() > Duration::from_millis(most * 400), "{timeout}");
    }
}

#[tokio::test]
async fn options_never_locked() {
    let cache = cache();
    let _held = cache.lock(user(1)).acquire().await.unwrap();
    let gate = Gate::default();
    let service = builder(&cache).build().unwrap().layer(gate.service());
    for method in [Method::OPTIONS, Method::GET, Method::HEAD] {
        gate.end_one();
        let answer = service.clone().oneshot(request(method, "/users/1")).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let refused = builder(&cache).methods([Method::PUT, Method::OPTIONS]).build().unwrap_err();
    assert!(refused.to_string().contains("OPTIONS"), "{refused}");
}

#[tokio::test]
async fn missing_key_never_runs_unlocked() {
    let cache = cache();
    let gate = Gate::default();
    let service = builder(&cache).calls(["/a.B/C"]).build().unwrap().layer(gate.service());
    let refused = service.clone().oneshot(request(Method::PUT, "/elsewhere")).await.unwrap();
    assert_eq!(refused.status(), 400);
    let refused = service.oneshot(call("/a.B/C", b"")).await.unwrap();
    assert_eq!(refused.headers()["grpc-status"], "3");
    assert_eq!(gate.running(), 0);
}
