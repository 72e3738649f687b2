//! The lock layer.

use std::{
    convert::Infallible,
    future::pending,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use cachekit_core::{Cache, ErrorKind, Key};
use cachekit_test_support::RedisServer;
use cachekit_tower::{
    Body, Disconnect, LockHandle, LockLayer,
    lock::{Hold, LockBuilder, OnUnavailable},
};
use http::{Method, Request, Response, header};
use http_body_util::BodyExt as _;
use tokio::sync::{Notify, Semaphore};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use super::{
    Frames, cache, call,
    kit::{self, Whole, poll_once},
    request, until, user,
};

type Asked = Request<Body<Whole>>;

fn builder(cache: &Cache) -> LockBuilder {
    LockLayer::builder(cache).path("/users/{id}").key("user:<id>").wait("0s")
}

fn put() -> Request<Whole> {
    request(Method::PUT, "/users/1")
}

async fn shared() -> (RedisServer, Cache) {
    let server = RedisServer::start();
    let cache = Cache::builder().namespace("t").redis(&server.url()).await.unwrap();
    (server, cache.build().unwrap())
}

/// Whether somebody holds the lock of user 1.
async fn is_held(cache: &Cache) -> bool {
    match cache.lock(user(1)).try_acquire().await {
        Ok(guard) => {
            guard.release().await.unwrap();
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
            true
        }
    }
}

/// Takes the lock away from whoever holds it.
fn steal(server: &RedisServer) {
    let removed = server.connection().call(&["DEL", "ck~lock:t:{user:1}"]);
    assert_eq!(format!("{removed:?}"), format!("{:?}", cachekit_test_support::Reply::Int(1)));
}

/// A handler that says that it runs, then waits for leave to end.
#[derive(Clone, Default)]
struct Gate {
    running: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    leave: Arc<Leave>,
}

struct Leave(Semaphore);

impl Default for Leave {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Gate {
    fn service(
        &self,
    ) -> impl Service<Asked, Response = Response<Whole>, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + 'static {
        let gate = self.clone();
        service_fn(move |_: Asked| {
            let gate = gate.clone();
            async move {
                gate.running.fetch_add(1, SeqCst);
                let dropped = Dropped(gate.dropped.clone());
                gate.leave.0.acquire().await.unwrap().forget();
                std::mem::forget(dropped);
                gate.ended.fetch_add(1, SeqCst);
                Ok(kit::text("done"))
            }
        })
    }

    fn running(&self) -> usize {
        self.running.load(SeqCst)
    }

    fn end_one(&self) {
        self.leave.0.add_permits(1);
    }
}

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
async fn disconnect_finishes_under_lock() {
    let (_server, cache) = shared().await;
    let gate = Gate::default();
    let service = builder(&cache).build().unwrap().layer(gate.service());
    {
        let mut first = pin!(service.clone().oneshot(put()));
        until("the handler runs", async || {
            assert!(poll_once(first.as_mut()).is_pending());
            gate.running() == 1
        })
        .await;
        // The client goes away.
    }
    assert_eq!(gate.dropped.load(SeqCst), 0);
    assert!(is_held(&cache).await, "nobody else comes in");
    gate.end_one();
    cache.shutdown().await.unwrap();
    assert_eq!(gate.ended.load(SeqCst), 1);
}

#[tokio::test]
async fn cancel_leaves_lock_to_expire() {
    let (_server, cache) = shared().await;
    let gate = Gate::default();
    let builder = builder(&cache).lease("2s").on_disconnect(Disconnect::Cancel);
    let service = builder.build().unwrap().layer(gate.service());
    {
        let mut first = pin!(service.clone().oneshot(put()));
        until("the handler runs", async || {
            assert!(poll_once(first.as_mut()).is_pending());
            gate.running() == 1
        })
        .await;
    }
    assert_eq!((gate.dropped.load(SeqCst), gate.ended.load(SeqCst)), (1, 0));
    for _ in 0..20 {
        assert!(is_held(&cache).await, "what it sent may be running still");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    until("its lease is over", async || !is_held(&cache).await).await;
}

/// Who waits for a lock has begun nothing: it leaves nothing behind.
#[tokio::test]
async fn a_client_that_goes_while_it_waits_is_forgotten() {
    let cache = cache();
    let held = cache.lock(user(1)).acquire().await.unwrap();
    let gate = Gate::default();
    let service = builder(&cache).wait("10s").build().unwrap().layer(gate.service());
    {
        let mut waits = pin!(service.clone().oneshot(put()));
        assert!(poll_once(waits.as_mut()).is_pending());
    }
    held.release().await.unwrap();
    assert!(!is_held(&cache).await);
    cache.shutdown().await.unwrap();
    assert_eq!(gate.running(), 0);
}

#[tokio::test]
async fn lost_lock_stops_handler() {
    let (server, cache) = shared().await;
    let gate = Gate::default();
    let service = builder(&cache).lease("300ms").build().unwrap().layer(gate.service());
    let first = tokio::spawn(service.oneshot(put()));
    until("the handler runs", async || gate.running() == 1).await;
    steal(&server);
    let answer = first.await.unwrap().unwrap();
    assert_eq!(answer.status(), 503);
    assert!(!answer.headers().contains_key(header::RETRY_AFTER), "the outcome is unknown");
    assert_eq!((gate.dropped.load(SeqCst), gate.ended.load(SeqCst)), (1, 0));
}

#[tokio::test]
async fn lost_after_headers_aborts_body() {
    let (server, cache) = shared().await;
    let handler = service_fn(async |_: Asked| {
        let (sender, body) = channel();
        sender.send("a").unwrap();
        // Held open until the body is dropped.
        tokio::spawn(async move { sender.closed().await });
        Ok::<_, Infallible>(Response::new(body))
    });
    let builder = builder(&cache).lease("300ms").hold(Hold::Body);
    let response = builder.build().unwrap().layer(handler).oneshot(put()).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
    steal(&server);
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("hold the lock"), "{error}");
    assert!(body.frame().await.is_none());
}

/// A body that is fed from outside.
fn channel() -> (tokio::sync::mpsc::UnboundedSender<&'static str>, Fed) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    (sender, Fed(receiver))
}

struct Fed(tokio::sync::mpsc::UnboundedReceiver<&'static str>);

impl http_body::Body for Fed {
    type Data = bytes::Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|piece| Ok(http_body::Frame::data(piece.into()))))
    }
}

#[tokio::test]
async fn stream_holds_lock_until_trailers() {
    let (_server, cache) = shared().await;
    let handler = service_fn(async |_: Asked| Ok::<_, Infallible>(Frames::grpc("0")));
    let layer = LockLayer::builder(&cache).calls(["/a.B/C"]).key_with(|_| Ok(user(1)));
    let service = layer.build().unwrap().layer(handler);
    let response = service.clone().oneshot(call("/a.B/C", b"")).await.unwrap();
    let mut body = response.into_body();
    assert!(is_held(&cache).await);
    assert!(body.frame().await.unwrap().unwrap().is_data());
    assert!(is_held(&cache).await);
    assert!(body.frame().await.unwrap().unwrap().is_trailers());
    assert!(!is_held(&cache).await, "released before they go out");
    // A body that is dropped releases too.
    drop(service.oneshot(call("/a.B/C", b"")).await.unwrap());
    until("it is released", async || !is_held(&cache).await).await;
}

#[tokio::test]
async fn slow_reader_cannot_hold_for_ever() {
    let (server, cache) = shared().await;
    let other = Cache::builder().namespace("t").redis(&server.url()).await.unwrap();
    let other = other.build().unwrap();
    let handler = service_fn(async |_: Asked| {
        let (sender, body) = channel();
        tokio::spawn(async move { sender.closed().await });
        Ok::<_, Infallible>(Response::new(body))
    });
    let builder = builder(&cache).lease("300ms").max_hold("600ms").hold(Hold::Body);
    let response = builder.build().unwrap().layer(handler).oneshot(put()).await.unwrap();
    assert!(is_held(&other).await);
    // Nobody polls the body.
    until("others get the lock", async || !is_held(&other).await).await;
    until("callers of this process get it too", async || !is_held(&cache).await).await;
    let error = response.into_body().frame().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("hold the lock"), "{error}");
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

#[tokio::test]
async fn panic_releases() {
    let (_server, cache) = shared().await;
    for at_once in [false, true] {
        let handler = service_fn(move |_: Asked| {
            assert!(!at_once, "at once");
            async { panic!("later") as Result<Response<Whole>, Infallible> }
        });
        let service = builder(&cache).build().unwrap().layer(handler);
        let panicked = tokio::spawn(async move { service.oneshot(put()).await.map(drop) }).await;
        assert!(panicked.unwrap_err().is_panic());
        until("it is released", async || !is_held(&cache).await).await;
    }
}

#[tokio::test]
async fn the_handler_knows_its_lock() {
    let cache = cache();
    let kept: Arc<std::sync::Mutex<Vec<LockHandle>>> = Arc::default();
    let keep = kept.clone();
    let handler = service_fn(move |asked: Asked| {
        let handle = asked.extensions().get::<LockHandle>().unwrap().clone();
        handle.check().unwrap();
        keep.lock().unwrap().push(handle);
        async { Ok::<_, Infallible>(Response::new(Whole::default())) }
    });
    let service = builder(&cache).build().unwrap().layer(handler);
    for _ in 0..2 {
        service.clone().oneshot(put()).await.unwrap();
    }
    let kept = kept.lock().unwrap();
    assert!(kept[0].fencing_token() < kept[1].fencing_token());
    assert!(kept.iter().all(|handle| handle.check().is_err()), "it ends with the request");
}

/// An error of the service's own releases, and so does one that it gives instead of getting ready.
#[tokio::test]
async fn an_error_releases() {
    #[derive(Clone)]
    struct NeverReady;
    impl Service<Asked> for NeverReady {
        type Response = Response<Whole>;
        type Error = &'static str;
        type Future = std::future::Pending<Result<Response<Whole>, &'static str>>;

        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), &'static str>> {
            std::task::Poll::Ready(Err("shed"))
        }

        fn call(&mut self, _: Asked) -> Self::Future {
            pending()
        }
    }
    let cache = cache();
    let failing = service_fn(async |_: Asked| Err::<Response<Whole>, _>("broken"));
    let failed = builder(&cache).build().unwrap().layer(failing).oneshot(put()).await;
    assert_eq!(failed.unwrap_err(), "broken");
    assert!(!is_held(&cache).await);
    let mut service = builder(&cache).build().unwrap().layer(NeverReady);
    // As a load shed that says no only after the lock is held.
    assert_eq!(service.call(put()).await.unwrap_err(), "shed");
    assert!(!is_held(&cache).await);
}

/// What is invalidated inside is, before the next holder comes in.
#[tokio::test]
async fn invalidation_comes_before_the_release() {
    let cache = cache();
    let key: fn() -> Key = || user(1);
    let invalidate = cachekit_tower::InvalidateLayer::builder(&cache).key_with(move |_| Ok(key()));
    let notify = Arc::new(Notify::new());
    let go = notify.clone();
    let handler = service_fn(move |_: Asked2| {
        let go = go.clone();
        async move {
            go.notified().await;
            Ok::<_, Infallible>(Response::new(Whole::default()))
        }
    });
    let inner = invalidate.build().unwrap().layer(handler);
    let service = builder(&cache).build().unwrap().layer(inner);
    super::read(&cache, 1, 1).await;
    let writes = tokio::spawn(service.oneshot(put()));
    kit::settle().await;
    let next = cache.lock(user(1)).acquire();
    let mut next = pin!(next);
    assert!(poll_once(next.as_mut()).is_pending());
    notify.notify_one();
    let _guard = next.await.unwrap();
    assert!(!super::is_cached(&cache, 1).await);
    assert_eq!(writes.await.unwrap().unwrap().status(), 200);
}

type Asked2 = Request<Body<Body<Whole>>>;
