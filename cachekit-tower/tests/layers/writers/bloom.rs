//! The bloom layer.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use cachekit_core::{Cache, bloom::Bloom};
use cachekit_test_support::RedisServer;
use cachekit_tower::{BloomLayer, Body};
use futures_core::Stream;
use http::{Method, Request, Response, StatusCode, header};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use super::{cache, kit::Whole, request};

type Asked = Request<Body<Whole>>;

/// These ids, as a database would give them.
struct Ids(std::ops::Range<i64>);

impl Stream for Ids {
    type Item = Result<i64, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

fn filter(cache: &Cache) -> Bloom<i64> {
    Bloom::builder("users").expected(1000).settle(Duration::ZERO).build(cache).unwrap()
}

fn layer(filter: &Bloom<i64>) -> BloomLayer {
    BloomLayer::builder(filter).path("/users/{id}").key("user:<id>").build().unwrap()
}

/// Finds ids below 1000; counts its calls.
fn handler(
    calls: &Arc<AtomicUsize>,
) -> impl Service<Asked, Response = Response<Whole>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ 'static {
    let calls = calls.clone();
    service_fn(move |asked: Asked| {
        calls.fetch_add(1, SeqCst);
        let id = asked.uri().path().rsplit('/').next().unwrap().parse::<i64>();
        let found = id.is_ok_and(|id| id < 1000);
        async move {
            let status = if found { StatusCode::OK } else { StatusCode::NOT_FOUND };
            Ok(Response::builder()
                .status(status)
                .header("x-own", "1")
                .body(Whole::default())
                .unwrap())
        }
    })
}

#[tokio::test]
async fn never_issued_is_404_without_load() {
    let cache = cache();
    let filter = filter(&cache);
    filter.rebuild(|| Ids(0..1000)).await.unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let layer = layer(&filter);
    let service = layer.layer(handler(&calls));
    let ask =
        async |method, path: &str| service.clone().oneshot(request(method, path)).await.unwrap();
    let absent = ask(Method::GET, "/users/-1").await;
    assert_eq!(absent.status(), 404);
    assert_eq!(absent.headers()[header::CACHE_CONTROL], "no-store");
    assert!(!absent.headers().contains_key("x-own"));
    assert_eq!((calls.load(SeqCst), layer.refused()), (0, 1));
    assert_eq!(ask(Method::HEAD, "/users/-1").await.status(), 404);
    // Who says that it speaks gRPC is answered in what its method and path speak.
    let mut claims = request(Method::GET, "/users/-1");
    claims.headers_mut().insert(header::CONTENT_TYPE, "application/grpc".parse().unwrap());
    let absent = service.clone().oneshot(claims).await.unwrap();
    assert_eq!(
        (absent.status().as_u16(), &absent.headers()[header::CACHE_CONTROL]),
        (404, &"no-store".parse().unwrap())
    );
    assert_eq!(calls.load(SeqCst), 0);
    // What exists, however it is written; what is no id; another method; another path.
    for (method, path, status) in [
        (Method::GET, "/users/7", 200),
        (Method::GET, "/users/007", 200),
        (Method::GET, "/users/x", 404),
        (Method::PUT, "/users/-1", 200),
        (Method::GET, "/elsewhere/-1", 200),
    ] {
        let before = calls.load(SeqCst);
        let answer = ask(method, path).await;
        assert_eq!((answer.status().as_u16(), calls.load(SeqCst)), (status, before + 1), "{path}");
        assert!(answer.headers().contains_key("x-own"), "a pass adds nothing, and takes nothing");
        assert_eq!(answer.headers().len(), 1);
    }
}

#[tokio::test]
async fn not_live_passes() {
    let mut server = RedisServer::start();
    let cache = Cache::builder().namespace("t").redis(&server.url()).await.unwrap();
    let cache = cache.build().unwrap();
    let filter = filter(&cache);
    let calls = Arc::new(AtomicUsize::new(0));
    let layer = layer(&filter);
    let service = layer.layer(handler(&calls));
    let ask = async || service.clone().oneshot(request(Method::GET, "/users/-1")).await.unwrap();
    ask().await;
    assert_eq!(calls.load(SeqCst), 1, "nobody has built it");
    filter.rebuild(|| Ids(0..1000)).await.unwrap();
    ask().await;
    assert_eq!(calls.load(SeqCst), 1);
    server.kill();
    super::until("it is not asked any more", async || {
        ask().await;
        calls.load(SeqCst) > 1
    })
    .await;
}

/// An insert that has returned is found by every request that begins later, whatever runs at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn insert_then_read_never_absent() {
    let server = RedisServer::start();
    let cache = Cache::builder().namespace("t").redis(&server.url()).await.unwrap();
    let cache = cache.build().unwrap();
    let filter = filter(&cache);
    filter.rebuild(|| Ids(0..1)).await.unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let service = layer(&filter).layer(handler(&calls));
    let inserts = (0..4_i64).map(|writer| {
        let (filter, service) = (filter.clone(), service.clone());
        tokio::spawn(async move {
            for at in 0..50 {
                let id = 1 + writer * 50 + at;
                let path = format!("/users/{id}");
                service.clone().oneshot(request(Method::GET, &path)).await.unwrap();
                filter.add(id).await.unwrap().confirm().await.unwrap();
                let found = service.clone().oneshot(request(Method::GET, &path)).await.unwrap();
                assert_eq!(found.status(), 200, "{id}");
            }
        })
    });
    let inserts: Vec<_> = inserts.collect();
    filter.rebuild(|| Ids(0..1)).await.unwrap();
    for insert in inserts {
        insert.await.unwrap();
    }
}

#[tokio::test]
async fn false_positive_rate_reported() {
    let cache = cache();
    let filter = Bloom::builder("users").expected(20_000).settle(Duration::ZERO).build(&cache);
    let filter = filter.unwrap();
    filter.rebuild(|| Ids(0..20_000)).await.unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let layer = layer(&filter);
    let service = layer.layer(handler(&calls));
    for id in 20_000..40_000 {
        service.clone().oneshot(request(Method::GET, &format!("/users/{id}"))).await.unwrap();
    }
    assert_eq!(layer.refused() + layer.found_absent(), 20_000);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let rate = layer.found_absent() as f64 / 20_000.0;
    assert!((0.001..0.03).contains(&rate), "built for 1 %, {rate}");
}

#[cfg(feature = "grpc")]
#[tokio::test]
async fn grpc_absent_is_trailers_only() {
    use http_body::Body as _;

    use super::{Frames, call};

    #[derive(Clone, PartialEq, prost::Message)]
    struct GetUser {
        #[prost(int64, tag = "1")]
        id: i64,
    }
    let cache = cache();
    let filter = filter(&cache);
    filter.rebuild(|| Ids(0..1000)).await.unwrap();
    let layer = BloomLayer::builder(&filter)
        .method("/shop.Users/GetUser", |message: &GetUser| Some(message.id))
        .build()
        .unwrap();
    let handler = service_fn(async |_: Asked| Ok::<_, Infallible>(Frames::grpc("5")));
    let service = layer.layer(handler);
    let ask = async |id| {
        let message = prost::Message::encode_to_vec(&GetUser { id });
        service.clone().oneshot(call("/shop.Users/GetUser", &message)).await.unwrap()
    };
    let absent = ask(-1).await;
    assert_eq!(absent.status(), 200);
    assert_eq!(absent.headers()["grpc-status"], "5");
    assert_eq!(absent.headers()["content-type"], "application/grpc");
    assert!(absent.body().is_end_stream(), "no trailers of its own");
    // What passes and is not found is counted when its trailers go out.
    let passed = ask(7).await;
    assert_eq!(layer.found_absent(), 0);
    http_body_util::BodyExt::collect(passed.into_body()).await.unwrap();
    assert_eq!((layer.refused(), layer.found_absent()), (1, 1));
}

#[tokio::test]
async fn mistakes_are_told_at_once() {
    let filter = filter(&cache());
    let error = BloomLayer::builder(&filter).path("x").key("a:<x>:<query.y>").build().unwrap_err();
    assert_eq!(error.mistakes().count(), 2, "{error}");
    let error = BloomLayer::builder(&filter).build().unwrap_err();
    assert!(error.to_string().contains("no id"), "{error}");
    let names: Bloom<str> = Bloom::builder("names").expected(10).build(&cache()).unwrap();
    BloomLayer::builder(&names).path("/{name}").key("name:<name>").build().unwrap();
}
