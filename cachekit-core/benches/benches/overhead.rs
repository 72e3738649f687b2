//! What a layer adds to a request, beside the bare service in the same run.

use std::{convert::Infallible, hint::black_box, task::Context, task::Poll};

use bytes::Bytes;
use cachekit::{
    Cache,
    tower::{CacheLayer, SingleflightLayer},
};
use criterion::{Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use http_body_util::Full;
use tokio::runtime::Builder;
use tower::{Layer as _, Service, ServiceExt as _};

type Whole = Full<Bytes>;

/// Answers at once, with a constant.
#[derive(Clone, Copy)]
struct Constant;

impl<B> Service<Request<B>> for Constant {
    type Response = Response<Whole>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Whole>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        std::future::ready(Ok(Response::new(Full::new(Bytes::from_static(b"constant")))))
    }
}

fn get() -> Request<Whole> {
    let request = Request::get("/users/7").header("host", "localhost").header("accept", "*/*");
    request.body(Full::default()).expect("the request is well formed")
}

fn options() -> Request<Whole> {
    let request = Request::options("/users/7").header("host", "localhost");
    request.body(Full::default()).expect("the request is well formed")
}

fn post() -> Request<Whole> {
    let request = Request::post("/users/7").header("host", "localhost");
    request.body(Full::default()).expect("the request is well formed")
}

fn measure<S, R>(
    c: &mut Criterion,
    (group, name): (&str, &str),
    service: S,
    request: fn() -> Request<Whole>,
) where
    S: Service<Request<Whole>, Response = R, Error = Infallible>,
{
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut service = service;
    c.benchmark_group(group).bench_function(name, |b| {
        b.iter(|| {
            runtime.block_on(async {
                let service = service.ready().await.expect("it is always ready");
                black_box(service.call(black_box(request())).await)
            })
        });
    });
}

fn overhead_uncontended(c: &mut Criterion) {
    let cache = Cache::builder().build().expect("the defaults make a cache");
    let build = |builder: cachekit::tower::singleflight::SingleflightBuilder| {
        builder.path("/users/{id}").key("user:<id>").build().expect("it is well formed")
    };
    let fresh = build(SingleflightLayer::new());
    let fenced = build(SingleflightLayer::fenced(&cache));
    let group = "overhead_uncontended";
    measure(c, (group, "bare"), Constant, get);
    measure(c, (group, "passed_by"), fresh.layer(Constant), post);
    measure(c, (group, "fresh"), fresh.layer(Constant), get);
    measure(c, (group, "fenced"), fenced.layer(Constant), get);
}

/// A response from the embedded tier beside the handler that answers with a constant, and a request that is passed by.
fn cached_response(c: &mut Criterion) {
    let cache = Cache::builder().build().expect("the defaults make a cache");
    let builder = || CacheLayer::builder(&cache).path("/users/{id}").key("user:<id>").ttl("1h");
    let full = builder().build().expect("it is well formed");
    let plain = builder().name("plain").etag(false).age(false).cache_status(false).build();
    let plain = plain.expect("it is well formed");
    let group = "cached_response";
    measure(c, (group, "handler"), Constant, get);
    measure(c, (group, "hit"), full.layer(Constant), get);
    measure(c, (group, "hit_plain"), plain.layer(Constant), get);
    measure(c, (group, "passed_by"), full.layer(Constant), options);
}

criterion_group!(benches, overhead_uncontended, cached_response);
criterion_main!(benches);
