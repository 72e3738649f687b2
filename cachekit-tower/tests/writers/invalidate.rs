//! The invalidate layer.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use cachekit_core::{Cache, Outcome, Scope};
use cachekit_test_support::{Proxy, RedisServer, invalidation};
use cachekit_tower::{
    Body, Disconnect, InvalidateLayer, Invalidations, ScopeLayer,
    invalidate::{InvalidateBuilder, OnKeyMissing},
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, service_fn};

use super::{Frames, cache, call, is_cached, kit::Whole, read, request, until, user};

type Asked = Request<Body<Whole>>;

fn builder(cache: &Cache) -> InvalidateBuilder {
    InvalidateLayer::builder(cache).path("/users/{id}").key("user:<id>")
}

fn layer(cache: &Cache) -> InvalidateLayer {
    builder(cache).build().unwrap()
}

/// Answers everything with this status.
fn answering(
    status: u16,
) -> impl Service<Asked, Response = Response<Whole>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ 'static {
    service_fn(move |_: Asked| async move {
        Ok(Response::builder().status(status).body(Whole::default()).unwrap())
    })
}

async fn put(cache: &Cache, status: u16) {
    let service = layer(cache).layer(answering(status));
    service.oneshot(request(Method::PUT, "/users/1")).await.unwrap();
}

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

/// A server, and a cache that is another process to the one under test.
async fn shared() -> (RedisServer, Cache) {
    let server = RedisServer::start();
    let cache = Cache::builder().namespace("t").redis(&server.url()).await.unwrap();
    (server, cache.build().unwrap())
}

#[tokio::test]
async fn only_methods_that_write_invalidate() {
    let cache = cache();
    let service = layer(&cache).layer(answering(200));
    for (method, writes) in [
        (Method::GET, false),
        (Method::HEAD, false),
        (Method::OPTIONS, false),
        (Method::from_bytes(b"QUERY").unwrap(), false),
        (Method::POST, true),
        (Method::DELETE, true),
        (Method::from_bytes(b"MKCOL").unwrap(), true),
    ] {
        read(&cache, 1, 1).await;
        let text = method.to_string();
        service.clone().oneshot(request(method, "/users/1")).await.unwrap();
        assert_eq!(is_cached(&cache, 1).await, !writes, "{text}");
    }
    read(&cache, 1, 1).await;
    let service = builder(&cache).methods([Method::GET]).build().unwrap().layer(answering(200));
    service.clone().oneshot(request(Method::PUT, "/users/1")).await.unwrap();
    assert!(is_cached(&cache, 1).await);
    service.oneshot(request(Method::GET, "/users/1")).await.unwrap();
    assert!(!is_cached(&cache, 1).await);
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

#[cfg(feature = "grpc")]
#[derive(Clone, PartialEq, prost::Message)]
struct Rename {
    #[prost(uint64, tag = "1")]
    id: u64,
}

#[cfg(feature = "grpc")]
#[tokio::test]
async fn a_message_has_the_key() {
    let cache = cache();
    read(&cache, 1, 1).await;
    read(&cache, 2, 1).await;
    let layer = InvalidateLayer::builder(&cache)
        .method::<Rename>("/shop.Users/Rename", |message| user(message.id));
    // The handler still gets the whole message.
    let handler = service_fn(async |asked: Asked| {
        assert_eq!(asked.into_body().collect().await.unwrap().to_bytes().len(), 7);
        Ok::<_, Infallible>(Frames::grpc("0"))
    });
    let service = layer.build().unwrap().layer(handler);
    let message = prost::Message::encode_to_vec(&Rename { id: 1 });
    let response = service.oneshot(call("/shop.Users/Rename", &message)).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert_eq!((is_cached(&cache, 1).await, is_cached(&cache, 2).await), (false, true));
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
        assert!(super::kit::poll_once(answer.as_mut()).is_pending());
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
        assert!(super::kit::poll_once(answer.as_mut()).is_pending());
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

#[tokio::test]
async fn keys_come_from_the_handler_and_the_response() {
    let cache = cache();
    for id in [1, 2, 3, 4] {
        read(&cache, id, 1).await;
    }
    let kept = Arc::new(std::sync::Mutex::new(None));
    let keep = kept.clone();
    let handler = service_fn(move |asked: Asked| {
        let invalidations = asked.extensions().get::<Invalidations>().unwrap().clone();
        invalidations.push(user(2));
        *keep.lock().unwrap() = Some(invalidations);
        async {
            Ok::<_, Infallible>(
                Response::builder().header("x-id", 3).body(Whole::default()).unwrap(),
            )
        }
    });
    let layer = builder(&cache)
        .key_from_response(|head| {
            Some(user(head.headers.get("x-id")?.to_str().ok()?.parse().ok()?))
        })
        .build()
        .unwrap();
    layer.layer(handler).oneshot(request(Method::PUT, "/users/1")).await.unwrap();
    for id in [1, 2, 3] {
        assert!(!is_cached(&cache, id).await, "{id}");
    }
    assert!(is_cached(&cache, 4).await);
    // A task that was spawned and comes too late.
    kept.lock().unwrap().take().unwrap().push(user(4));
    assert!(!is_cached(&cache, 4).await);
}

/// A client must not be able to write past the cache: what has a piece of a key twice, or none, is refused.
#[tokio::test]
async fn a_request_whose_key_is_missing_is_refused() {
    let calls = Arc::new(AtomicUsize::new(0));
    let called = calls.clone();
    let handler = service_fn(move |_: Asked| {
        called.fetch_add(1, SeqCst);
        async { Ok::<_, Infallible>(Response::new(Whole::default())) }
    });
    let layer = InvalidateLayer::builder(&cache()).key("user:<query.id>").build().unwrap();
    let service = layer.layer(handler);
    for path in ["/users?id=7&id=7", "/users", "/users?id=%ff"] {
        let answer = service.clone().oneshot(request(Method::PUT, path)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
    assert_eq!(calls.load(SeqCst), 0);
    let answer = service.oneshot(request(Method::PUT, "/users?id=7")).await.unwrap();
    assert_eq!((answer.status().as_u16(), calls.load(SeqCst)), (200, 1));
}

#[tokio::test]
async fn a_request_whose_key_is_missing_runs_where_it_is_to() {
    let cache = cache();
    read(&cache, 1, 1).await;
    let layer = builder(&cache).key_with(|_| Ok(user(1))).on_key_missing(OnKeyMissing::Proceed);
    let service = layer.build().unwrap().layer(answering(200));
    let answer = service.oneshot(request(Method::PUT, "/elsewhere")).await;
    assert_eq!(answer.unwrap().status(), 200);
    assert!(!is_cached(&cache, 1).await, "the key that it has is invalidated");
}

/// What is compressed, or longer than is read, has no key either.
#[cfg(feature = "grpc")]
#[tokio::test]
async fn a_call_whose_message_gives_no_key_is_refused() {
    let cache = cache();
    let calls = Arc::new(AtomicUsize::new(0));
    let called = calls.clone();
    let handler = service_fn(move |_: Asked| {
        called.fetch_add(1, SeqCst);
        async { Ok::<_, Infallible>(Frames::grpc("0")) }
    });
    let layer = InvalidateLayer::builder(&cache)
        .method::<Rename>("/shop.Users/Rename", |message| user(message.id));
    let service = layer.build().unwrap().layer(handler);
    let whole = prost::Message::encode_to_vec(&Rename { id: 1 });
    let mut compressed =
        call("/shop.Users/Rename", &whole).into_body().collect().await.unwrap().to_bytes().to_vec();
    compressed[0] = 1;
    let compressed = call("/shop.Users/Rename", b"").map(|_| Whole::new(compressed.into()));
    let long = call("/shop.Users/Rename", &vec![0; 65 * 1024]);
    for asked in [compressed, long, call("/shop.Users/Rename", b"\xff")] {
        let answer = service.clone().oneshot(asked).await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "3");
    }
    assert_eq!(calls.load(SeqCst), 0);
    let answer = service.oneshot(call("/shop.Users/Rename", &whole)).await.unwrap();
    assert_eq!((answer.headers().get("grpc-status"), calls.load(SeqCst)), (None, 1));
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
async fn mistakes_are_told_at_once() {
    let error = InvalidateLayer::builder(&cache())
        .key("<")
        .path("users")
        .calls(["Rename"])
        .again_after("2x")
        .build()
        .unwrap_err();
    assert_eq!(error.mistakes().count(), 4, "{error}");
}

#[tokio::test]
async fn the_body_is_as_without_the_layer() {
    let handler = service_fn(async |asked: Asked| {
        let body = asked.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Whole::new(body)))
    });
    let asked = Request::put("/users/1").body(Whole::new(Bytes::from_static(b"whole"))).unwrap();
    let answer = layer(&cache()).layer(handler).oneshot(asked).await.unwrap();
    assert_eq!(super::kit::body(answer).await, "whole");
}
