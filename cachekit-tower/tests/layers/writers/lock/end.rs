//! Until when the lock is held, and what ends a handler before that.

use std::{
    convert::Infallible,
    future::pending,
    pin::pin,
    sync::{Arc, atomic::Ordering::SeqCst},
};

use cachekit_core::{Cache, Key};
use cachekit_test_support::RedisServer;
use cachekit_tower::{Body, Disconnect, LockHandle, LockLayer, lock::Hold};
use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use super::{Asked, Gate, builder, is_held, put, shared};
use crate::writers::{
    Frames, cache, call,
    kit::{self, Whole, poll_once},
    until, user,
};

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
    let (server, cache) = shared().await;
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
    // What was to be released of it is, after this.
    cache.shutdown().await.unwrap();
    let other = Cache::builder().namespace("t").redis(&server.url()).await.unwrap();
    let other = other.build().unwrap();
    assert!(is_held(&other).await, "what it sent may be running still");
    until("its lease is over", async || !is_held(&other).await).await;
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

/// Takes the lock away from whoever holds it.
fn steal(server: &RedisServer) {
    let removed = server.connection().call(&["DEL", "ck~lock:t:{user:1}"]);
    assert_eq!(format!("{removed:?}"), format!("{:?}", cachekit_test_support::Reply::Int(1)));
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
    crate::writers::read(&cache, 1, 1).await;
    let writes = tokio::spawn(service.oneshot(put()));
    kit::settle().await;
    let next = cache.lock(user(1)).acquire();
    let mut next = pin!(next);
    assert!(poll_once(next.as_mut()).is_pending());
    notify.notify_one();
    let _guard = next.await.unwrap();
    assert!(!crate::writers::is_cached(&cache, 1).await);
    assert_eq!(writes.await.unwrap().unwrap().status(), 200);
}

type Asked2 = Request<Body<Body<Whole>>>;
