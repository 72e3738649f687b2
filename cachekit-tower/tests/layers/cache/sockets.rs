//! The cache layer behind axum, over real sockets.

#![cfg(feature = "axum")]

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Path,
    routing::{self, future::RouteFuture},
};
use bytes::Bytes;
use cachekit_core::Cache;
use cachekit_tower::CacheLayer;
use http::Response;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower::util::MapFutureLayer;

use crate::replies::{self, until, user};
use crate::waiting::Waiting;

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// Sends a request over a connection of its own and reads to the end: head and body.
async fn ask(address: SocketAddr, method: &str, path: &str, lines: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: h.com\r\nconnection: close\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    let end = all.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let body = all.split_off(end);
    (String::from_utf8(all).unwrap().to_lowercase(), body)
}

async fn get(address: SocketAddr, path: &str) -> (String, String) {
    let (head, body) = ask(address, "GET", path, "").await;
    (head, String::from_utf8(body).unwrap())
}

/// Users that have a name each, behind the layer; writes invalidate by the key.
struct Users {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    /// How many readers wait.
    waiting: Waiting,
}

impl Users {
    async fn open(cache: &Cache, gate: usize) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let version = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Semaphore::new(gate));
        let layer = CacheLayer::builder(cache).key("user:<id>").ttl("60s").build().unwrap();
        let show = {
            let (calls, version, gate) = (calls.clone(), version.clone(), gate.clone());
            move |Path(id): Path<String>| async move {
                calls.fetch_add(1, SeqCst);
                let read = version.load(SeqCst);
                gate.acquire().await.unwrap().forget();
                format!("user {id} version {read}")
            }
        };
        let rename = {
            let cache = cache.clone();
            move |Path(id): Path<String>| async move {
                let written = version.fetch_add(1, SeqCst) + 1;
                cache.invalidate(user(&id)).await;
                written.to_string()
            }
        };
        let waiting = Waiting::default();
        let count = waiting.clone();
        let counted = MapFutureLayer::new(move |answer: RouteFuture<Infallible>| count.of(answer));
        let router = Router::new()
            .route("/users/{id}", routing::get(show).layer(layer).layer(counted))
            .route("/rename/{id}", routing::put(rename));
        Self { address: serve(router).await, calls, gate, waiting }
    }

    fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_at_once_are_one_call_with_one_body() {
    let cache = replies::cache();
    let users = Users::open(&cache, 0).await;
    let asked: Vec<_> = (0..500).map(|_| tokio::spawn(get(users.address, "/users/7"))).collect();
    users.waiting.reach(500).await;
    users.gate.add_permits(1);
    for asked in asked {
        assert_eq!(asked.await.unwrap().1, "user 7 version 0");
    }
    assert_eq!(users.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_returned_is_seen_by_all_who_ask_after_it() {
    let cache = replies::cache();
    let users = Users::open(&cache, 1_000_000).await;
    let written = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let (written, address) = (written.clone(), users.address);
            tokio::spawn(async move {
                for _ in 0..60 {
                    let before = written.load(SeqCst);
                    let (_, body) = get(address, "/users/7").await;
                    let seen: usize = body.rsplit(' ').next().unwrap().parse().unwrap();
                    assert!(seen >= before, "{seen} after {before} was written");
                }
            })
        })
        .collect();
    for number in 1..=60 {
        let (_, body) = ask(users.address, "PUT", "/rename/7", "content-length: 0\r\n").await;
        assert_eq!(body, number.to_string().as_bytes());
        written.store(number, SeqCst);
    }
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(users.calls() < 480, "some were hits: {}", users.calls());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_harms_no_other() {
    let cache = replies::cache();
    let users = Users::open(&cache, 0).await;
    let mut first = TcpStream::connect(users.address).await.unwrap();
    first.write_all(b"GET /users/7 HTTP/1.1\r\nhost: h.com\r\n\r\n").await.unwrap();
    until("it runs", || users.calls() == 1).await;
    let others: Vec<_> = (0..20).map(|_| tokio::spawn(get(users.address, "/users/7"))).collect();
    users.waiting.reach(21).await;
    drop(first);
    users.waiting.reach(20).await;
    users.gate.add_permits(1);
    for other in others {
        let (head, body) = other.await.unwrap();
        assert_eq!(body, "user 7 version 0");
        assert!(head.starts_with("http/1.1 200"), "{head}");
    }
    assert_eq!(users.calls(), 1, "nothing began again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_users_never_share_even_if_the_key_forgets_them() {
    let cache = replies::cache();
    let calls = Arc::new(AtomicUsize::new(0));
    let told = calls.clone();
    let handler = move |headers: http::HeaderMap| async move {
        told.fetch_add(1, SeqCst);
        headers.get("authorization").map_or("nobody", |line| line.to_str().unwrap()).to_owned()
    };
    let layer =
        CacheLayer::builder(&cache).key_with(|_| Ok(user("all"))).ttl("60s").build().unwrap();
    let router = Router::new().route("/me", routing::get(handler).layer(layer));
    let address = serve(router).await;
    for _ in 0..2 {
        for name in ["ada", "bob"] {
            let (head, body) =
                ask(address, "GET", "/me", &format!("authorization: {name}\r\n")).await;
            assert_eq!(body, name.as_bytes());
            assert!(head.contains("fwd=bypass; detail=credentials"), "{head}");
        }
        assert_eq!(get(address, "/me").await.1, "nobody");
    }
    assert_eq!(calls.load(SeqCst), 5);
}

/// A body of many pieces, which counts those that were asked for.
struct Pieces {
    left: usize,
    given: Arc<AtomicUsize>,
    gate: Option<Arc<Semaphore>>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        use std::task::Poll;
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if let Some(gate) = &self.gate {
            match gate.try_acquire() {
                Ok(permit) => permit.forget(),
                Err(_) => {
                    // Asked again soon: the test opens the gate from another task.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        self.left -= 1;
        self.given.fetch_add(1, SeqCst);
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(&[7; 64 << 10])))))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_body_streams_unbuffered() {
    const PIECES: usize = 320; // 20 MiB
    let cache = replies::cache();
    let given = Arc::new(AtomicUsize::new(0));
    let told = given.clone();
    let handler = move || async move {
        Response::new(Body::new(Pieces { left: PIECES, given: told, gate: None }))
    };
    let layer = CacheLayer::builder(&cache).ttl("60s").build().unwrap();
    let address = serve(Router::new().route("/large", routing::get(handler).layer(layer))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.0\r\nhost: h.com\r\n\r\n").await.unwrap();
    let mut first = [0; 1024];
    stream.read_exact(&mut first).await.unwrap();
    let mut rest = Vec::new();
    while stream.read_buf(&mut rest).await.unwrap() > 0 {
        // What was read before the limit, and what lies in the socket's buffers.
        let ahead = given.load(SeqCst) - rest.len() / (64 << 10);
        assert!(ahead < PIECES / 2, "{ahead} pieces were taken from a body that nobody reads");
    }
    let head = first.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(first.len() - head + rest.len(), PIECES * (64 << 10));
    assert!(rest.iter().all(|byte| *byte == 7));
    assert_eq!(cache.entry_count(), 1, "the group's generation and no response");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sse_first_event_not_delayed() {
    let cache = replies::cache();
    let gate = Arc::new(Semaphore::new(1));
    let (given, handed) = (Arc::new(AtomicUsize::new(0)), gate.clone());
    let handler = move || async move {
        let pieces = Pieces { left: 2, given, gate: Some(handed) };
        let response = Response::builder().header("content-type", "text/event-stream");
        response.body(Body::new(pieces)).unwrap()
    };
    let layer = CacheLayer::builder(&cache).ttl("60s").build().unwrap();
    let address = serve(Router::new().route("/events", routing::get(handler).layer(layer))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.0\r\nhost: h.com\r\n\r\n").await.unwrap();
    // The second event is not there yet, and the first one is read all the same.
    let mut first = vec![0; 60 << 10];
    let reading = stream.read_exact(&mut first);
    tokio::time::timeout(Duration::from_secs(3), reading).await.unwrap().unwrap();
    gate.add_permits(1);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() > 64 << 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websocket_upgrade_works() {
    let cache = replies::cache();
    let handler = |mut request: axum::extract::Request| async move {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
            let mut word = [0; 4];
            io.read_exact(&mut word).await.unwrap();
            io.write_all(&word.map(|byte| byte.to_ascii_uppercase())).await.unwrap();
        });
        let response = Response::builder().status(101).header("connection", "upgrade");
        response.header("upgrade", "echo").body(Body::empty()).unwrap()
    };
    let layer = CacheLayer::builder(&cache).ttl("60s").build().unwrap();
    let address = serve(Router::new().route("/ws", routing::get(handler).layer(layer))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = b"GET /ws HTTP/1.1\r\nhost: h.com\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"));
    stream.write_all(b"ping").await.unwrap();
    let mut word = [0; 4];
    stream.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"PING");
}

#[tokio::test]
async fn around_a_router_everything_passes_by() {
    let cache = replies::cache();
    let layer = CacheLayer::builder(&cache).ttl("60s").build().unwrap();
    let inside = Router::new().route("/x", routing::get(|| async { "x" }));
    let address = serve(Router::new().fallback_service(tower::Layer::layer(&layer, inside))).await;
    for _ in 0..2 {
        let (head, body) = get(address, "/x").await;
        assert_eq!(body, "x");
        assert!(head.contains("fwd=bypass; detail=unmatched"), "{head}");
    }
}
