//! Requests that are sent through the cache layer, and what comes back, taken apart.

#![allow(dead_code, unreachable_pub)]

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use cachekit_core::{Cache, Key, key::RuntimeTemplate};
use cachekit_tower::{Body, BoxError, CacheLayer, cache::CacheLayerBuilder};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, Service, ServiceExt as _};

pub type Whole = Full<Bytes>;
pub type Seen = Request<Body<Whole>>;
type Answering = Pin<Box<dyn Future<Output = Result<Response<Script>, BoxError>> + Send>>;
type Handle = dyn Fn(Seen) -> Answering + Send + Sync;

/// A body that gives these frames, one at a time.
#[derive(Default)]
pub struct Script(pub VecDeque<Result<Frame<Bytes>, BoxError>>);

impl Script {
    pub fn text(text: impl Into<Bytes>) -> Self {
        Self(VecDeque::from([Ok(Frame::data(text.into()))]))
    }
}

impl HttpBody for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.pop_front())
    }
}

/// A handler behind the layer, whose calls are counted.
#[derive(Clone)]
pub struct Site {
    handle: Arc<Handle>,
    pub calls: Arc<AtomicUsize>,
    pub seen: Arc<Mutex<Vec<http::request::Parts>>>,
}

impl Site {
    pub fn new<F, Fut>(handle: F) -> Self
    where
        F: Fn(Seen) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response<Script>> + Send + 'static,
    {
        Self::fallible(move |request| {
            let answer = handle(request);
            async move { Ok(answer.await) }
        })
    }

    pub fn fallible<F, Fut>(handle: F) -> Self
    where
        F: Fn(Seen) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<Script>, BoxError>> + Send + 'static,
    {
        let handle = move |request| -> Answering { Box::pin(handle(request)) };
        Self { handle: Arc::new(handle), calls: Arc::default(), seen: Arc::default() }
    }

    /// Answers every request with this head and its own number.
    pub fn numbered(lines: &'static [(&'static str, &'static str)]) -> Self {
        let number = Arc::new(AtomicUsize::new(0));
        Self::new(move |_| {
            let number = number.fetch_add(1, SeqCst);
            async move { with(lines, number.to_string()) }
        })
    }

    pub fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }
}

impl Service<Seen> for Site {
    type Response = Response<Script>;
    type Error = BoxError;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Seen) -> Answering {
        self.calls.fetch_add(1, SeqCst);
        let (parts, body) = request.into_parts();
        self.seen.lock().unwrap().push(parts.clone());
        (self.handle)(Request::from_parts(parts, body))
    }
}

/// A response with these lines and this body.
pub fn with(lines: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Script> {
    answer(200, lines, body)
}

pub fn answer(status: u16, lines: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Script> {
    let response = Response::builder().status(status);
    let response =
        lines.iter().fold(response, |response, (name, value)| response.header(*name, *value));
    response.body(Script::text(body)).unwrap()
}

/// All of a response.
#[derive(Clone, PartialEq)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Reply {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn line(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What the layer says it made of the request.
    pub fn cache(&self) -> &str {
        self.headers
            .get_all("cache-status")
            .iter()
            .next_back()
            .map_or("", |line| line.to_str().unwrap())
    }

    pub fn is_hit(&self) -> bool {
        self.cache().starts_with("cachekit; hit")
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {:?} {:?}", self.status, self.headers, self.body, self.trailers)
    }
}

/// A service behind a layer.
pub type Front = cachekit_tower::cache::CacheService<Site>;

pub fn cache() -> Cache {
    Cache::builder().build().unwrap()
}

/// The layer of most tests.
pub fn users(cache: &Cache) -> CacheLayerBuilder {
    CacheLayer::builder(cache).path("/users/{id}").key("user:<id>").ttl("60s")
}

pub fn front(layer: CacheLayerBuilder, site: &Site) -> Front {
    layer.build().unwrap().layer(site.clone())
}

pub fn request(method: &str, path: &str, lines: &[(&str, &str)]) -> Request<Whole> {
    let request = Request::builder().method(method).uri(path);
    let has_host = lines.iter().any(|(name, _)| *name == "host");
    let request = if has_host { request } else { request.header("host", "h.com") };
    let request =
        lines.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Full::default()).unwrap()
}

pub fn get(path: &str) -> Request<Whole> {
    request("GET", path, &[])
}

pub async fn try_send(
    front: &Front,
    request: Request<Whole>,
) -> Result<Response<Body<Script>>, BoxError> {
    front.clone().oneshot(request).await
}

pub async fn send(front: &Front, request: Request<Whole>) -> Reply {
    reply(try_send(front, request).await.unwrap()).await
}

pub async fn reply<B>(response: Response<B>) -> Reply
where
    B: HttpBody<Data = Bytes>,
    B::Error: fmt::Debug,
{
    let (parts, body) = response.into_parts();
    let all = body.collect().await.unwrap();
    let trailers = all.trailers().cloned();
    Reply { status: parts.status, headers: parts.headers, body: all.to_bytes(), trailers }
}

/// The key of a user's responses.
pub fn user(id: &str) -> Key {
    key("user:<id>", id)
}

pub fn key(template: &str, id: &str) -> Key {
    let template = RuntimeTemplate::parse(template).unwrap();
    let made = template.expand(|_, w| {
        w.str(id);
        Ok::<_, std::convert::Infallible>(())
    });
    made.unwrap()
}

/// Polls until it holds, for some seconds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !holds() {
        assert!(std::time::Instant::now() < end, "{what}");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// Sends many at once.
pub async fn at_once(front: &Front, count: usize, make: impl Fn() -> Request<Whole>) -> Vec<Reply> {
    let sent: Vec<_> = (0..count)
        .map(|_| {
            let (front, request) = (front.clone(), make());
            tokio::spawn(async move { send(&front, request).await })
        })
        .collect();
    let mut replies = Vec::new();
    for sent in sent {
        replies.push(sent.await.unwrap());
    }
    replies
}
