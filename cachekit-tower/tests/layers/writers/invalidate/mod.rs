//! The invalidate layer.

mod keys;
#[cfg(feature = "grpc")]
mod messages;
mod outcomes;

use std::convert::Infallible;

use cachekit_core::Cache;
use cachekit_test_support::RedisServer;
use cachekit_tower::{Body, InvalidateLayer, invalidate::InvalidateBuilder};
use http::{Method, Request, Response};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use super::{kit::Whole, request};

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

/// A server, and a cache that is another process to the one under test.
async fn shared() -> (RedisServer, Cache) {
    let server = RedisServer::start();
    let cache = Cache::builder().namespace("t").redis(&server.url()).await.unwrap();
    (server, cache.build().unwrap())
}
