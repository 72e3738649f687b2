//! What a request speaks is not what its client says.

use std::convert::Infallible;

use axum::{Router, routing};
use cachekit_tower::{Body, CacheLayer, InvalidateLayer, LockLayer};
use http::{Method, Request, Response};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{cache, call, is_cached, kit::Whole, read, request, user};

/// A request that says that it is a call.
fn disguised(method: Method, path: &str) -> Request<Whole> {
    let mut asked = request(method, path);
    asked.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    asked
}

async fn fine(_: Request<Body<Whole>>) -> Result<Response<Whole>, Infallible> {
    Ok(Response::new(Whole::default()))
}

#[tokio::test]
async fn the_content_type_of_grpc_is_no_way_past_a_lock() {
    let cache = cache();
    let _held = cache.lock(user(1)).acquire().await.unwrap();
    let layer = LockLayer::builder(&cache).path("/users/{id}").key("user:<id>").wait("0s");
    let service = layer.build().unwrap().layer(service_fn(fine));
    for method in [Method::PUT, Method::POST] {
        let answer = service.clone().oneshot(disguised(method, "/users/1")).await.unwrap();
        assert_eq!(answer.status(), 429);
    }
}

#[tokio::test]
async fn the_content_type_of_grpc_is_no_way_past_an_invalidation() {
    let cache = cache();
    let layer = InvalidateLayer::builder(&cache).path("/users/{id}").key("user:<id>");
    let service = layer.build().unwrap().layer(service_fn(fine));
    for method in [Method::PUT, Method::POST] {
        read(&cache, 1, 1).await;
        service.clone().oneshot(disguised(method, "/users/1")).await.unwrap();
        assert!(!is_cached(&cache, 1).await);
    }
}

#[tokio::test]
async fn a_route_of_http_is_none_of_grpc_though_it_looks_like_one() {
    let cache = cache();
    let layer = InvalidateLayer::builder(&cache).key("user:<id>").build().unwrap();
    let app = Router::new().route("/Users/{id}", routing::post(async || "done").layer(layer));
    read(&cache, 1, 1).await;
    let (parts, _) = disguised(Method::POST, "/Users/1").into_parts();
    app.oneshot(Request::from_parts(parts, axum::body::Body::empty())).await.unwrap();
    assert!(!is_cached(&cache, 1).await);
}

#[tokio::test]
async fn the_content_type_of_grpc_is_no_way_past_the_write_rule_of_a_cache() {
    let cache = cache();
    let layer = CacheLayer::builder(&cache).path("/users/{id}").key("user:<id>").ttl("1m");
    let service = layer.build().unwrap().layer(service_fn(fine));
    read(&cache, 1, 1).await;
    service.oneshot(disguised(Method::PUT, "/users/1")).await.unwrap();
    assert!(!is_cached(&cache, 1).await);
}

#[tokio::test]
async fn a_call_that_is_not_listed_goes_by_without_its_lock() {
    let cache = cache();
    let _held = cache.lock(user(1)).acquire().await.unwrap();
    let layer = LockLayer::builder(&cache).path("/users/{id}").key("user:<id>").wait("0s");
    let service = layer.build().unwrap().layer(service_fn(fine));
    let answer = service.oneshot(call("/shop.Users/Get", b"")).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("grpc-status"));
}
