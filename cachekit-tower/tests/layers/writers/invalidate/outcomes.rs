//! Which ends of a handler invalidate, and when.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use cachekit_core::{Cache, Outcome, Scope};
use cachekit_test_support::{Proxy, invalidation};
use cachekit_tower::{Disconnect, InvalidateLayer, ScopeLayer};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, service_fn};

use super::{Asked, answering, builder, layer, put, shared};
use crate::writers::{Frames, cache, call, is_cached, kit::Whole, read, request, until, user};

#[tokio::test]
async fn invalidated_before_response() {
    let (server, cache) = shared().await;
    let proxy = Proxy::start(server.port());
    let near = Cache::builder().namespace("t").redis(&proxy.url()).await.unwrap();
    let near = near.invalidate_wait(Duration::from_secs(20)).build().unwrap();
    read(&cache, 1, 1).await;
    let held = proxy.hold(invalidation);
    let service = layer(&near).layer(answering(204));
    let mut answer = tokio::spawn(service.oneshot(request(Method::PUT, "/users/1")));
    until("the invalidation is sent", async || held.waiting() == 1).await;
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut answer).await.is_err());
    assert!(is_cached(&cache, 1).await);
    held.release(1);
    assert_eq!(answer.await.unwrap().unwrap().status(), 204);
    assert!(!is_cached(&cache, 1).await);
    assert_eq!(read(&cache, 1, 2).await, 2);
}

#[tokio::test]
async fn client_error_keeps_entry() {
    let cache = cache();
    read(&cache, 1, 1).await;
    for status in [400, 404, 409, 422] {
        put(&cache, status).await;
        assert!(is_cached(&cache, 1).await, "{status}");
    }
    for status in [200, 303] {
        read(&cache, 1, 1).await;
        put(&cache, status).await;
        assert!(!is_cached(&cache, 1).await, "{status}");
    }
}

#[tokio::test]
async fn server_error_invalidates() {
    let cache = cache();
    read(&cache, 1, 1).await;
    put(&cache, 500).await;
    assert!(!is_cached(&cache, 1).await);
    // An error of the service's own.
    read(&cache, 1, 1).await;
    let failing = service_fn(async |_: Asked| Err::<Response<Whole>, _>("broken"));
    let failed = layer(&cache).layer(failing).oneshot(request(Method::PUT, "/users/1")).await;
    assert_eq!(failed.unwrap_err(), "broken");
    assert!(!is_cached(&cache, 1).await);
    // A panic, while it is polled and before that.
    for at_once in [false, true] {
        read(&cache, 1, 1).await;
        let panicking = service_fn(move |_: Asked| {
            assert!(!at_once, "at once");
            async { panic!("later") as Result<Response<Whole>, Infallible> }
        });
        let service = layer(&cache).layer(panicking);
        let put = tokio::spawn(async move {
            service.oneshot(request(Method::PUT, "/users/1")).await.map(drop)
        });
        assert!(put.await.unwrap_err().is_panic(), "it reaches whoever drives it");
        assert!(!is_cached(&cache, 1).await);
        cache.shutdown().await.expect("nothing that has panicked is polled again");
    }
}

/// Over gRPC the status comes last, and what it says holds before it goes out.
#[tokio::test]
async fn invalidated_before_trailers() {
    let cache = cache();
    for (status, kept) in [("0", false), ("13", false), ("5", true)] {
        read(&cache, 1, 1).await;
        let handler =
            service_fn(move |_: Asked| async move { Ok::<_, Infallible>(Frames::grpc(status)) });
        let layer = InvalidateLayer::builder(&cache)
            .calls(["/shop.Users/Rename"])
            .key_with(|_| Ok(user(1)))
            .build()
            .unwrap();
        let service = layer.layer(handler);
        let response = service.clone().oneshot(call("/shop.Users/Rename", b"")).await.unwrap();
        let mut body = response.into_body();
        assert!(body.frame().await.unwrap().unwrap().is_data());
        assert!(is_cached(&cache, 1).await, "nothing is known yet");
        assert!(body.frame().await.unwrap().unwrap().is_trailers());
        assert_eq!(is_cached(&cache, 1).await, kept, "{status}");
        // A call that is not listed.
        read(&cache, 1, 1).await;
        let response = service.oneshot(call("/shop.Users/Find", b"")).await.unwrap();
        response.into_body().collect().await.unwrap();
        assert!(is_cached(&cache, 1).await);
    }
}

#[tokio::test]
async fn a_body_that_is_dropped_half_way_invalidates() {
    let cache = cache();
    read(&cache, 1, 1).await;
    let handler = service_fn(async |_: Asked| Ok::<_, Infallible>(Frames::grpc("5")));
    let layer = InvalidateLayer::builder(&cache).calls(["/a.B/C"]).key_with(|_| Ok(user(1)));
    let response = layer.build().unwrap().layer(handler).oneshot(call("/a.B/C", b"")).await;
    drop(response);
    assert!(!is_cached(&cache, 1).await);
}

/// What a streamed body writes is invalidated before its last frame goes out.
#[tokio::test]
async fn a_streamed_body_is_invalidated_again_before_its_end() {
    let cache = cache();
    let handler =
        service_fn(async |_: Asked| Ok::<_, Infallible>(Response::new(Frames::data(&["a", "b"]))));
    let response = layer(&cache).layer(handler).oneshot(request(Method::PUT, "/users/1")).await;
    let mut body = response.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    read(&cache, 1, 1).await;
    body.frame().await.unwrap().unwrap();
    assert!(!is_cached(&cache, 1).await);
}

/// A handler that waits for `go`, then "commits".
fn committing(
    go: Arc<Notify>,
    committed: Arc<AtomicBool>,
) -> impl Service<Asked, Response = Response<Whole>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ 'static {
    service_fn(move |_: Asked| {
        let (go, committed) = (go.clone(), committed.clone());
        async move {
            go.notified().await;
            committed.store(true, SeqCst);
            Ok(Response::new(Whole::default()))
        }
    })
}

#[tokio::test]
async fn disconnect_after_commit_invalidates() {
    let cache = cache();
    let (go, committed) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let service = ServiceBuilder::new()
        .layer(ScopeLayer::new(cache.clone()))
        .layer(layer(&cache))
        .service(committing(go.clone(), committed.clone()));
    read(&cache, 1, 1).await;
    {
        let mut answer = pin!(service.oneshot(request(Method::PUT, "/users/1")));
        assert!(crate::kit::poll_once(answer.as_mut()).is_pending());
        // The client goes away here, before the commit.
    }
    assert!(is_cached(&cache, 1).await, "nothing is written yet");
    go.notify_one();
    cache.shutdown().await.unwrap();
    assert!(committed.load(SeqCst), "it was finished, and waited for");
    assert!(!is_cached(&cache, 1).await);
}

#[tokio::test]
async fn a_cancelled_handler_invalidates_at_once() {
    let cache = cache();
    let (go, committed) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let layer = builder(&cache).on_disconnect(Disconnect::Cancel).build().unwrap();
    let service = layer.layer(committing(go.clone(), committed.clone()));
    read(&cache, 1, 1).await;
    {
        let mut answer = pin!(service.oneshot(request(Method::PUT, "/users/1")));
        assert!(crate::kit::poll_once(answer.as_mut()).is_pending());
    }
    assert!(!is_cached(&cache, 1).await);
    go.notify_one();
    cache.shutdown().await.unwrap();
    assert!(!committed.load(SeqCst));
}

#[tokio::test]
async fn redis_down_is_pending_and_dirty() {
    let (server, far) = shared().await;
    let proxy = Proxy::start(server.port());
    let near = Cache::builder().namespace("t").redis(&proxy.url()).await.unwrap().build().unwrap();
    assert_eq!(read(&near, 1, 1).await, 1);
    let held = proxy.hold(invalidation);
    for (report, told) in [(false, None), (true, Some("pending"))] {
        let layer = builder(&near).report(report).build().unwrap();
        let answer = layer.layer(answering(200)).oneshot(request(Method::PUT, "/users/1")).await;
        let answer = answer.unwrap();
        let header = answer.headers().get("cachekit-invalidation");
        assert_eq!(header.map(|value| value.to_str().unwrap()), told);
        assert_eq!(answer.status(), StatusCode::OK, "the response is unchanged");
    }
    assert_eq!(read(&near, 1, 2).await, 2, "this process reads past the cache");
    assert_eq!(read(&far, 1, 3).await, 1, "others may be given the old entry");
    held.release(100);
    drop(held);
    until("the retries get through", async || read(&far, 1, 4).await != 1).await;
}

#[tokio::test]
async fn later_write_in_same_request_is_invalidated() {
    let cache = cache();
    let handler = service_fn(async |_: Asked| {
        let scope = Scope::current().unwrap();
        let cache = scope.cache();
        // An annotated writer, then a read, then a write that nobody has annotated.
        assert_eq!(cache.invalidate(user(1)).await, Outcome::Applied);
        read(cache, 1, 1).await;
        Ok::<_, Infallible>(Response::new(Whole::default()))
    });
    let service = ServiceBuilder::new()
        .layer(ScopeLayer::new(cache.clone()))
        .layer(layer(&cache))
        .service(handler);
    service.oneshot(request(Method::PUT, "/users/1")).await.unwrap();
    assert!(!is_cached(&cache, 1).await);
}

#[tokio::test(start_paused = true)]
async fn once_more_after_a_while() {
    let cache = cache();
    let layer = builder(&cache).again_after("500ms").build().unwrap();
    layer.layer(answering(200)).oneshot(request(Method::PUT, "/users/1")).await.unwrap();
    read(&cache, 1, 1).await;
    tokio::time::sleep(Duration::from_millis(490)).await;
    assert!(is_cached(&cache, 1).await);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!is_cached(&cache, 1).await);
}

#[tokio::test]
async fn the_body_is_as_without_the_layer() {
    let handler = service_fn(async |asked: Asked| {
        let body = asked.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Whole::new(body)))
    });
    let asked = Request::put("/users/1").body(Whole::new(Bytes::from_static(b"whole"))).unwrap();
    let answer = layer(&cache()).layer(handler).oneshot(asked).await.unwrap();
    assert_eq!(crate::kit::body(answer).await, "whole");
}
