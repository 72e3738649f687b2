//! Over real sockets, under axum.

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
    extract::{Path, State},
    routing::{future::RouteFuture, get},
};
use cachekit_core::{Cache, Key, Outcome, key::RuntimeTemplate};
use cachekit_tower::SingleflightLayer;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower::util::MapFutureLayer;

use crate::waiting::Waiting;

/// What handlers share: how many there were, and what holds them.
#[derive(Clone)]
struct Users {
    calls: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    name: Arc<AtomicUsize>,
    waiting: Waiting,
}

impl Users {
    fn new() -> Self {
        let gate = Arc::new(Semaphore::new(0));
        Self { calls: Arc::default(), gate, name: Arc::default(), waiting: Waiting::default() }
    }
}

async fn show(State(users): State<Users>, Path(id): Path<String>) -> String {
    users.calls.fetch_add(1, SeqCst);
    let name = users.name.load(SeqCst);
    users.gate.acquire().await.unwrap().forget();
    format!("user {id} is {name}")
}

async fn serve(users: &Users, layer: SingleflightLayer) -> SocketAddr {
    let waiting = users.waiting.clone();
    let counted = MapFutureLayer::new(move |answer: RouteFuture<Infallible>| waiting.of(answer));
    let shown = get(show).layer(layer).layer(counted);
    let app = Router::new().route("/users/{id}", shown).with_state(users.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

fn user(id: &str) -> Key {
    let template = RuntimeTemplate::parse("user:<id>").unwrap();
    template
        .expand(|_, w| {
            w.str(id);
            Ok::<_, Infallible>(())
        })
        .unwrap()
}

/// Sends a request; the answer is read by [`answer`].
async fn send(address: SocketAddr, path: &str, lines: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Status line and body.
async fn answer(mut stream: TcpStream) -> (String, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let patience = tokio::time::timeout(Duration::from_secs(20), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(patience.await.is_ok(), "it never came to this: {what}");
}

/// How many runs 500 requests at once need, and that all are given the same.
async fn runs_of_500(layer: SingleflightLayer) -> usize {
    let users = Users::new();
    let address = serve(&users, layer).await;
    let mut streams = Vec::new();
    for _ in 0..500 {
        streams.push(send(address, "/users/7", "").await);
    }
    users.waiting.reach(500).await;
    users.gate.add_permits(500);
    for stream in streams {
        assert_eq!(answer(stream).await, ("HTTP/1.1 200 OK".into(), "user 7 is 0".into()));
    }
    users.calls.load(SeqCst)
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_requests_run_the_handler_once() {
    let cache = Cache::builder().build().unwrap();
    let fenced = SingleflightLayer::fenced(&cache).key("user:<id>").build().unwrap();
    assert_eq!(runs_of_500(fenced).await, 1);
    let fresh = SingleflightLayer::new().key("user:<id>").build().unwrap();
    assert!(runs_of_500(fresh).await <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_between_is_seen_by_whoever_comes_later() {
    let cache = Cache::builder().build().unwrap();
    let layer = SingleflightLayer::fenced(&cache).key("user:<id>").build().unwrap();
    let users = Users::new();
    let address = serve(&users, layer).await;
    let early = send(address, "/users/7", "").await;
    until("the handler runs", || users.calls.load(SeqCst) == 1).await;
    users.name.store(1, SeqCst);
    assert_eq!(cache.invalidate(user("7")).await, Outcome::Applied);
    let mut late = Vec::new();
    for _ in 0..50 {
        late.push(send(address, "/users/7", "").await);
    }
    users.gate.add_permits(100);
    assert_eq!(answer(early).await.1, "user 7 is 0");
    for stream in late {
        assert_eq!(answer(stream).await.1, "user 7 is 1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_harms_no_other() {
    let cache = Cache::builder().build().unwrap();
    let layer = SingleflightLayer::fenced(&cache).key("user:<id>").build().unwrap();
    let users = Users::new();
    let address = serve(&users, layer).await;
    let starter = send(address, "/users/7", "").await;
    until("the handler runs", || users.calls.load(SeqCst) == 1).await;
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(send(address, "/users/7", "").await);
    }
    users.waiting.reach(21).await;
    drop(starter);
    drop(others.drain(..5));
    users.waiting.reach(15).await;
    users.gate.add_permits(1);
    for stream in others {
        assert_eq!(answer(stream).await.1, "user 7 is 0");
    }
    assert_eq!(users.calls.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn infallible_in_axum() {
    // Layers of every place that axum has for them.
    let layer = || SingleflightLayer::new().any_path().build().unwrap();
    let app: Router = Router::new()
        .route("/a", get(async || "a").layer(layer()))
        .route_layer(layer())
        .layer(layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    assert_eq!(answer(send(address, "/a", "").await).await, ("HTTP/1.1 200 OK".into(), "a".into()));
    assert_eq!(answer(send(address, "/b", "").await).await.0, "HTTP/1.1 404 Not Found");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_never_share() {
    let cache = Cache::builder().build().unwrap();
    let layer = SingleflightLayer::fenced(&cache).key("user:<id>").build().unwrap();
    let users = Users::new();
    let address = serve(&users, layer).await;
    let one = send(address, "/users/7", "Authorization: Bearer a\r\n").await;
    let two = send(address, "/users/7", "Authorization: Bearer b\r\n").await;
    until("both run", || users.calls.load(SeqCst) == 2).await;
    users.gate.add_permits(2);
    answer(one).await;
    answer(two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_route_nothing_is_shared() {
    let users = Users::new();
    let layer = SingleflightLayer::new().build().unwrap();
    let inner = Router::new().route("/users/{id}", get(show)).with_state(users.clone());
    // Around the router: it has not found a route yet.
    let app: Router = Router::new().fallback_service(tower::Layer::layer(&layer, inner));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let streams = [send(address, "/users/7", "").await, send(address, "/users/7", "").await];
    until("both run", || users.calls.load(SeqCst) == 2).await;
    users.gate.add_permits(2);
    for stream in streams {
        assert_eq!(answer(stream).await.1, "user 7 is 0");
    }
}
