//! The rules, for any layer.

use std::{fmt::Debug, sync::atomic::Ordering::SeqCst};

use bytes::Bytes;
use cachekit_tower::BoxError;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt as _;
use tower::{Layer, Service, ServiceExt as _};

use super::inner::Inner;
use crate::kit::{Whole, settle};

/// What clients ask for: what a layer has something to do with, and what it has not.
pub(crate) fn script() -> Vec<Request<Whole>> {
    let request = |method: Method, path: &str, body: &'static str| {
        let request = Request::builder().method(method).uri(path).header("host", "h");
        request.body(Whole::from(body)).unwrap()
    };
    let mut call = request(Method::POST, "/shop.Users/GetUser", "\0\0\0\0\x01a");
    call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let mut private = request(Method::GET, "/users/1", "");
    private.headers_mut().insert("authorization", "Bearer x".parse().unwrap());
    vec![
        request(Method::HEAD, "/users/1", ""),
        request(Method::GET, "/users/1", ""),
        request(Method::PUT, "/users/1", "body"),
        request(Method::DELETE, "/users/2", ""),
        request(Method::OPTIONS, "/users/1", ""),
        private,
        call,
    ]
}

/// Asks everything, one after the other, and everything at once through clones.
async fn ask_all<S, R>(service: &mut S) -> usize
where
    S: Service<Request<Whole>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Debug + Send,
    R: Body<Data = Bytes> + Send,
    R::Error: Debug,
{
    for request in script() {
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let asked = script().into_iter().chain(script()).map(|request| {
        let service = service.clone();
        tokio::spawn(async move {
            let response = service.oneshot(request).await.unwrap();
            response.into_body().collect().await.map(drop).unwrap();
        })
    });
    let asked: Vec<_> = asked.collect();
    let number = script().len() + asked.len();
    for asked in asked {
        asked.await.unwrap();
    }
    number
}

/// A layer's service over the service inside.
pub(crate) trait Over<E: Send + 'static>: Layer<Inner<E>, Service: Asked<E>> {}

impl<L, E: Send + 'static> Over<E> for L where L: Layer<Inner<E>, Service: Asked<E>> {}

/// A service with errors of that type that can be asked, cloned and sent.
pub(crate) trait Asked<E>:
    Service<Request<Whole>, Response = Response<Self::Body>, Error = E, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
    type Body: Body<Data = Bytes, Error: Debug> + Send + 'static;
}

impl<S, R, E> Asked<E> for S
where
    S: Service<Request<Whole>, Response = Response<R>, Error = E, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    R: Body<Data = Bytes, Error: Debug> + Send + 'static,
{
    type Body = R;
}

type Never = std::convert::Infallible;

/// The service inside panics if it is; so does the test that asks.
pub(crate) async fn panics_if_called_unreadied<L: Over<Never>>(layer: L) {
    let inner = Inner::new();
    let counts = inner.counts.clone();
    let asked = ask_all(&mut layer.layer(inner)).await;
    let (_, called, _) = counts.now();
    assert!(called > 0 && called <= asked, "{called} of {asked}");
}

pub(crate) async fn readies_equal_calls_plus_drops<L: Over<Never>>(layer: L) {
    let inner = Inner::new();
    let counts = inner.counts.clone();
    let mut service = layer.layer(inner);
    ask_all(&mut service).await;
    // Readied, and never called.
    service.ready().await.unwrap();
    drop(service);
    settle().await;
    let (readied, called, dropped) = counts.now();
    assert_eq!(readied, called + dropped);
    assert!(dropped >= 1);
}

/// An error of the user's own, which is no [`std::error::Error`] and cannot be cloned.
#[derive(Debug, PartialEq)]
pub(crate) struct Own;

pub(crate) async fn error_type_is_inner<L>(layer: L)
where
    L: Layer<Inner<Own>, Service: Asked<Own>>,
{
    let service = layer.layer(Inner::failing(|| Own));
    for request in script() {
        let text = format!("{} {}", request.method(), request.uri());
        assert_eq!(service.clone().oneshot(request).await.err(), Some(Own), "{text}");
    }
}

pub(crate) async fn boxerror_inner_passes_through<L: Over<BoxError>>(layer: L) {
    let service = layer.layer(Inner::failing(|| "shed".into()));
    for request in script() {
        let error = service.clone().oneshot(request).await.err().unwrap();
        assert_eq!(error.to_string(), "shed");
    }
}

pub(crate) fn auto_traits<L: Over<Never> + Clone + Send + Sync + 'static>(layer: &L) {
    fn promised<T: Clone + Send + Sync + 'static>(_: &T) {}
    promised(layer);
    promised(&layer.layer(Inner::new()));
}

/// Both services have the layer's store: they get along with each other, and what one knows the other does.
pub(crate) async fn layer_twice_shares_state<L: Over<Never> + Clone>(layer: L) {
    let inner = Inner::new();
    let (mut one, mut two) = (layer.layer(inner.clone()), layer.clone().layer(inner.clone()));
    let asked = ask_all(&mut one).await + ask_all(&mut two).await;
    let called = inner.running.load(SeqCst);
    assert!(called > 0 && called <= asked, "{called} of {asked}");
    // A service costs no store of its own: what it allocates is its own state.
    let made = allocation_counter::measure(|| drop(layer.layer(Inner::<Never>::new())));
    assert!(made.bytes_total < 1024, "{} bytes", made.bytes_total);
}

pub(crate) fn clone_is_cheap<L: Over<Never> + Clone>(layer: &L) {
    let service = layer.layer(Inner::new());
    let cloned = allocation_counter::measure(|| drop((layer.clone(), service.clone())));
    assert_eq!(cloned.count_total, 0);
}

type Answer = (StatusCode, HeaderMap, Bytes, Option<HeaderMap>);

pub(crate) async fn what_is_passed_on_is_as_without_the_layer<L: Over<Never>>(layer: L) {
    let (with, without) = (layer.layer(Inner::new()), Inner::<Never>::new());
    for (request, bare) in script().into_iter().zip(script()) {
        let text = format!("{} {}", request.method(), request.uri());
        let seen = answer(with.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(seen, answer(without.clone().oneshot(bare).await.unwrap()).await, "{text}");
    }
}

async fn answer<R: Body<Data = Bytes, Error: Debug>>(response: Response<R>) -> Answer {
    let (head, body) = response.into_parts();
    let hint = body.size_hint();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    let bytes = body.to_bytes();
    assert_eq!(hint.exact(), Some(bytes.len() as u64), "a body whose length is known keeps it");
    (head.status, head.headers, bytes, trailers)
}
