//! Where keys come from, and what is done where there is none.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use cachekit_tower::{InvalidateLayer, Invalidations, invalidate::OnKeyMissing};
use http::{Method, Response, StatusCode};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{Asked, answering, builder, layer};
use crate::writers::{cache, is_cached, kit::Whole, read, request, user};

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
