//! Behind tonic, over real sockets.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use cachekit_tower::CacheLayer;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tonic::{
    Code, Status,
    codec::CompressionEncoding,
    server::{NamedService, UnaryService},
    service::InterceptorLayer,
    transport::{Channel, Endpoint, Server},
};
use tonic_prost::ProstCodec;
use tower::{Service, util::MapFutureLayer};

use super::{GET_USER, GetUser, User, users};
use crate::{replies::cache, waiting::Waiting};

type Answering<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A service as generated code has it.
#[derive(Clone)]
struct Users {
    calls: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    /// How many calls wait for their answers.
    waiting: Waiting,
}

impl Users {
    fn new(permits: usize) -> Self {
        let gate = Arc::new(Semaphore::new(permits));
        Self { calls: Arc::default(), gate, waiting: Waiting::default() }
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
            let waiting = users.waiting.clone();
            let counted = MapFutureLayer::new(move |answer| waiting.of(answer));
            let router = Server::builder().layer(counted).layer(layer).add_service(users);
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
    users_of.waiting.reach(500).await;
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
