//! The cache layer for unary gRPC calls: frame by frame, and behind tonic over real sockets.

#![cfg(feature = "grpc")]
#![allow(clippy::unwrap_used)]

mod replies;

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use cachekit_core::{Cache, Key};
use cachekit_tower::{BoxError, CacheLayer, cache::CacheLayerBuilder};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full};
use prost::Message;
use replies::{Reply, Script, Site, cache, front, send, until, user};
use tokio::sync::{Semaphore, mpsc};
use tonic::{
    Code, Status,
    codec::CompressionEncoding,
    server::{NamedService, UnaryService},
    service::InterceptorLayer,
    transport::{Channel, Endpoint, Server},
};
use tonic_prost::ProstCodec;
use tower::{Layer as _, Service, ServiceExt as _};

const GET_USER: &str = "/shop.Users/GetUser";

#[derive(Clone, PartialEq, Message)]
struct GetUser {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct User {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    who: String,
    #[prost(uint64, tag = "3")]
    number: u64,
}

fn of_user(message: &GetUser) -> Key {
    user(&message.id)
}

fn users(cache: &Cache) -> CacheLayerBuilder {
    CacheLayer::builder(cache).name("grpc").ttl("60s").method(GET_USER, of_user)
}

// ===== frame by frame =====

fn frame(message: &[u8]) -> Bytes {
    let mut frame = vec![0];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame.into()
}

fn call_of(path: &str, id: &str, lines: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let request =
        Request::post(format!("http://h.com{path}")).header("content-type", "application/grpc");
    let request =
        lines.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let message = GetUser { id: id.to_owned() }.encode_to_vec();
    request.body(Full::new(frame(&message))).unwrap()
}

fn trailers(code: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    trailers.append("x-trailer", HeaderValue::from_static("1"));
    trailers.append("x-trailer", HeaderValue::from_static("2"));
    trailers
}

/// One message and its status.
fn one(text: &str) -> Response<Script> {
    let mut response = Response::new(Script::text(frame(text.as_bytes())));
    response.body_mut().0.push_back(Ok(Frame::trailers(trailers("0"))));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.append("x-initial", HeaderValue::from_static("a"));
    headers.append("x-initial", HeaderValue::from_static("b"));
    response
}

/// A status alone.
fn only(code: &'static str) -> Response<Script> {
    let mut response = Response::new(Script::default());
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static(code));
    response
}

fn numbered() -> Site {
    let number = Arc::new(AtomicUsize::new(0));
    Site::new(move |_| {
        let number = number.fetch_add(1, SeqCst);
        async move { one(&number.to_string()) }
    })
}

#[tokio::test]
async fn grpc_hit_equals_miss() {
    let site = numbered();
    let front = front(users(&cache()), &site);
    let ask = || call_of(GET_USER, "7", &[("grpc-timeout", "1S"), ("x-unkeyed", "evil")]);
    let miss = send(&front, ask()).await;
    let hit = send(&front, ask()).await;
    assert_eq!((site.calls(), &hit), (1, &miss));
    let bare = replies::reply(one("0")).await;
    assert_eq!(miss, bare, "as without the layer: nothing is added");
    let seen = site.seen.lock().unwrap().pop().unwrap();
    for hidden in ["grpc-timeout", "x-unkeyed"] {
        assert!(!seen.headers.contains_key(hidden), "{hidden}");
    }
    assert_eq!(send(&front, call_of(GET_USER, "8", &[])).await.body, frame(b"1"));
    assert_eq!(
        send(&front, call_of(GET_USER, "7", &[("authorization", "a")])).await.body,
        frame(b"2")
    );
}

#[tokio::test]
async fn grpc_writers_reach_responses() {
    let cache = cache();
    let site = numbered();
    let front = front(users(&cache), &site);
    for (number, path) in [("0", "7"), ("1", "8"), ("0", "7")] {
        assert_eq!(send(&front, call_of(GET_USER, path, &[])).await.body, frame(number.as_bytes()));
    }
    cache.invalidate(user("7")).await;
    assert_eq!(send(&front, call_of(GET_USER, "7", &[])).await.body, frame(b"2"));
    assert_eq!(send(&front, call_of(GET_USER, "8", &[])).await.body, frame(b"1"));
}

/// How often the handler runs for two calls that it answers so, and what both are given.
async fn twice(answer: fn() -> Response<Script>) -> (usize, Reply) {
    let site = Site::new(move |_| async move { answer() });
    let front = front(users(&cache()), &site);
    let first = send(&front, call_of(GET_USER, "7", &[])).await;
    let second = send(&front, call_of(GET_USER, "7", &[])).await;
    assert_eq!(first, second);
    assert_eq!(first, replies::reply(answer()).await, "passed on as received");
    (site.calls(), first)
}

#[tokio::test]
async fn grpc_not_found_is_negative() {
    assert_eq!(twice(|| only("5")).await.0, 1);
    let in_trailers = || {
        let mut response = one("");
        response.body_mut().0.clear();
        response.body_mut().0.push_back(Ok(Frame::trailers(trailers("5"))));
        response
    };
    assert_eq!(twice(in_trailers).await.0, 1);
    for code in ["2", "3", "7", "13", "14", "16"] {
        let answers = match code {
            "2" => twice(|| only("2")).await,
            "3" => twice(|| only("3")).await,
            "7" => twice(|| only("7")).await,
            "13" => twice(|| only("13")).await,
            "14" => twice(|| only("14")).await,
            _ => twice(|| only("16")).await,
        };
        assert_eq!(answers.0, 2, "{code} is not stored");
    }
    let without_status = || {
        let mut response = one("x");
        response.body_mut().0.pop_back();
        response
    };
    assert_eq!(twice(without_status).await.0, 2);
    let two_messages = || {
        let mut response = one("x");
        response.body_mut().0.push_front(Ok(Frame::data(frame(b"y"))));
        response
    };
    assert_eq!(twice(two_messages).await.0, 2);
    assert_eq!(twice(|| only("0")).await.0, 2, "OK without a message");
}

/// A body that gives what it is sent.
struct Wire(mpsc::UnboundedReceiver<Bytes>);

fn wire() -> (mpsc::UnboundedSender<Bytes>, Wire) {
    let (send, receive) = mpsc::unbounded_channel();
    (send, Wire(receive))
}

impl http_body::Body for Wire {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx).map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

#[tokio::test]
async fn grpc_unlisted_bidi_untouched() {
    let echo = tower::service_fn(async |request: Request<cachekit_tower::Body<Wire>>| {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let service = users(&cache()).build().unwrap().layer(echo);
    let (out, body) = wire();
    let request =
        Request::post("http://h.com/shop.Users/Chat").header("content-type", "application/grpc");
    let response = service.oneshot(request.body(body).unwrap()).await.unwrap();
    let mut back = response.into_body();
    for number in 0..5 {
        out.send(frame(&[number])).unwrap();
        let echoed = back.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(echoed, frame(&[number]));
    }
    drop(out);
    assert!(back.frame().await.is_none());
}

#[tokio::test]
async fn grpc_server_stream_listed_by_mistake_still_streams() {
    let (out, body) = wire();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let stream = tower::service_fn(move |_: Request<cachekit_tower::Body<Full<Bytes>>>| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    let service = users(&cache()).build().unwrap().layer(stream);
    let asking = tokio::spawn(service.oneshot(call_of(GET_USER, "7", &[])));
    out.send(frame(b"a")).unwrap();
    out.send(frame(b"b")).unwrap();
    // The stream is open, and its beginning is there.
    let mut back = asking.await.unwrap().unwrap().into_body();
    for expected in [b"a", b"b", b"c"] {
        if expected == b"c" {
            out.send(frame(b"c")).unwrap();
        }
        let data = back.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(data, frame(expected));
    }
    drop(out);
    assert!(back.frame().await.is_none());
}

#[tokio::test]
async fn grpc_what_is_no_unary_call_passes_by() {
    let site = numbered();
    let front = front(users(&cache()).max_request(64), &site);
    let with_body = |body: Vec<u8>| {
        let request = Request::post("http://h.com/shop.Users/GetUser");
        request.header("content-type", "application/grpc").body(Full::from(body)).unwrap()
    };
    let message = GetUser { id: "7".to_owned() }.encode_to_vec();
    let whole = frame(&message).to_vec();
    let mut compressed = whole.clone();
    compressed[0] = 1;
    let odd = [
        Vec::new(),
        whole[..6].to_vec(),
        [&whole[..], &whole[..]].concat(),
        compressed,
        vec![0; 100],
    ];
    for (calls, body) in odd.iter().enumerate() {
        let reply = send(&front, with_body(body.clone())).await;
        assert_eq!(reply.body, frame(calls.to_string().as_bytes()), "{body:?}");
    }
    assert_eq!(send(&front, call_of("/shop.Users/Other", "7", &[])).await.body, frame(b"5"));
    send(&front, with_body(whole.clone())).await;
    assert_eq!(send(&front, with_body(whole)).await.body, frame(b"6"));
}

#[tokio::test]
async fn grpc_compression_variants() {
    let site = numbered();
    let front = front(users(&cache()), &site);
    let ask = |accepts: &'static str| call_of(GET_USER, "7", &[("grpc-accept-encoding", accepts)]);
    assert_eq!(send(&front, ask("gzip, identity")).await.body, frame(b"0"));
    assert_eq!(send(&front, ask("identity,gzip")).await.body, frame(b"0"), "the same set");
    assert_eq!(send(&front, ask("identity")).await.body, frame(b"1"));
    assert_eq!(send(&front, call_of(GET_USER, "7", &[])).await.body, frame(b"2"));
    assert_eq!(
        send(&front, ask("gzip,identity,snappy")).await.body,
        frame(b"0"),
        "unknown ones are hidden"
    );
    let seen = site.seen.lock().unwrap()[0].clone();
    assert_eq!(seen.headers["grpc-accept-encoding"], "gzip,identity");
}

// ===== behind tonic =====

type Answering<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A service as generated code has it.
#[derive(Clone)]
struct Users {
    calls: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Users {
    fn new(permits: usize) -> Self {
        Self { calls: Arc::default(), gate: Arc::new(Semaphore::new(permits)) }
    }

    fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }
}

impl NamedService for Users {
    const NAME: &'static str = "shop.Users";
}

impl UnaryService<GetUser> for Users {
    type Response = User;
    type Future = Answering<Result<tonic::Response<User>, Status>>;

    fn call(&mut self, request: tonic::Request<GetUser>) -> Self::Future {
        let number = self.calls.fetch_add(1, SeqCst) as u64;
        let gate = self.gate.clone();
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            let who = request.metadata().get("authorization");
            let who = who.map_or("nobody", |who| who.to_str().unwrap()).to_owned();
            let id = request.into_inner().id;
            if id == "none" {
                return Err(Status::not_found("there is no such user"));
            }
            let mut response = tonic::Response::new(User { id: id.repeat(100), who, number });
            response.metadata_mut().insert("x-initial", "a".parse().unwrap());
            response
                .metadata_mut()
                .insert_bin("x-bytes-bin", tonic::metadata::MetadataValue::from_bytes(&[0, 255]));
            Ok(response)
        })
    }
}

impl Service<Request<tonic::body::Body>> for Users {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Answering<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let users = self.clone();
        Box::pin(async move {
            let codec = ProstCodec::<User, GetUser>::default();
            let mut grpc = tonic::server::Grpc::new(codec)
                .accept_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Gzip);
            Ok(grpc.unary(users, request).await)
        })
    }
}

async fn listen() -> (tokio::net::TcpListener, SocketAddr) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn serve(layer: Option<CacheLayer>, users: Users) -> Channel {
    let (listener, address) = listen().await;
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    match layer {
        Some(layer) => {
            let router = Server::builder().layer(layer).add_service(users);
            tokio::spawn(async move { router.serve_with_incoming(incoming).await.unwrap() });
        }
        None => {
            let router = Server::builder().add_service(users);
            tokio::spawn(async move { router.serve_with_incoming(incoming).await.unwrap() });
        }
    }
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

type Answer = Result<tonic::Response<User>, Status>;

async fn ask(channel: &Channel, id: &str, who: Option<&'static str>, gzip: bool) -> Answer {
    let mut client = tonic::client::Grpc::new(channel.clone());
    if gzip {
        client = client.accept_compressed(CompressionEncoding::Gzip);
    }
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(GetUser { id: id.to_owned() });
    if let Some(who) = who {
        request.metadata_mut().insert("authorization", who.parse().unwrap());
    }
    let path = http::uri::PathAndQuery::from_static(GET_USER);
    client.unary(request, path, ProstCodec::<GetUser, User>::default()).await
}

fn metadata(answer: &tonic::Response<User>) -> Vec<String> {
    let headers = answer.metadata().clone().into_headers();
    let mut lines: Vec<_> = headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_calls_at_once_are_one() {
    let users_of = Users::new(0);
    let channel = serve(Some(users(&cache()).build().unwrap()), users_of.clone()).await;
    let asked: Vec<_> = (0..500)
        .map(|_| {
            let channel = channel.clone();
            tokio::spawn(async move { ask(&channel, "7", None, false).await.unwrap() })
        })
        .collect();
    until("it runs", || users_of.calls() == 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    users_of.gate.add_permits(1);
    let mut answers = Vec::new();
    for asked in asked {
        answers.push(asked.await.unwrap());
    }
    assert_eq!(users_of.calls(), 1);

    let bare = Users::new(1);
    let channel = serve(None, bare).await;
    let bare = ask(&channel, "7", None, false).await.unwrap();
    for answer in answers {
        assert_eq!(
            metadata(&answer),
            metadata(&bare),
            "initial metadata and trailers as without the layer"
        );
        assert_eq!(answer.into_inner(), *bare.get_ref());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tonic_statuses_survive() {
    let users_of = Users::new(9);
    let channel = serve(Some(users(&cache()).build().unwrap()), users_of.clone()).await;
    for _ in 0..3 {
        let status = ask(&channel, "none", None, false).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no such user"));
    }
    assert_eq!(users_of.calls(), 1);
    for (who, calls) in [("ada", 2), ("bob", 3), ("ada", 4)] {
        let answer = ask(&channel, "7", Some(who), false).await.unwrap();
        assert_eq!((answer.get_ref().who.as_str(), users_of.calls()), (who, calls));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_client_without_gzip_gets_identity() {
    let users_of = Users::new(9);
    let channel = serve(Some(users(&cache()).build().unwrap()), users_of.clone()).await;
    let encoding = |answer: &tonic::Response<User>| {
        answer.metadata().get("grpc-encoding").map(|line| line.to_str().unwrap().to_owned())
    };
    for _ in 0..2 {
        let zipped = ask(&channel, "7", None, true).await.unwrap();
        assert_eq!(encoding(&zipped).as_deref(), Some("gzip"));
        let plain = ask(&channel, "7", None, false).await.unwrap();
        assert_eq!(encoding(&plain), None);
        assert_eq!(zipped.get_ref().id, plain.get_ref().id);
    }
    assert_eq!(users_of.calls(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_interceptor_auth_not_bypassed() {
    let cache = cache();
    let users_of = Users::new(9);
    let by_who = |parts: &http::request::Parts| {
        let who = parts.headers.get("authorization")?;
        Some(cachekit_tower::Principal::new(who.as_bytes()))
    };
    let check = |request: tonic::Request<()>| match request.metadata().get("authorization") {
        Some(who) if who != "evil" => Ok(request),
        _ => Err(Status::unauthenticated("who are you")),
    };
    let layer = users(&cache).per_principal(by_who).build().unwrap();
    let (listener, address) = listen().await;
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let router = Server::builder()
        .layer(InterceptorLayer::new(check))
        .layer(layer)
        .add_service(users_of.clone());
    tokio::spawn(async move { router.serve_with_incoming(incoming).await.unwrap() });
    let channel =
        Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    for _ in 0..2 {
        ask(&channel, "7", Some("ada"), false).await.unwrap();
        for who in [None, Some("evil")] {
            let status = ask(&channel, "7", who, false).await.unwrap_err();
            assert_eq!(status.code(), Code::Unauthenticated);
        }
    }
    assert_eq!(users_of.calls(), 1, "the second one was a hit");
}
